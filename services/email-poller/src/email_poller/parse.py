"""PURE: the bytes of a mail as what Posta needs of it, however broken they are; never raises.

    bytes --MIME, at most MAX_PARTS--> parts --text/plain, else text/html--> body
          --header fields, each read on its own--> who, what about, in reply to what

A mail that breaks a limit, or the standard library, is read as far as it goes.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from email.feedparser import BytesFeedParser
from email.message import Message
from email.policy import compat32

from email_poller.headers import Fields, Mailbox, attempt, clean, decode_text
from email_poller.html_text import html_to_text

MAX_PARTS = 100
"""MIME parts looked at, and so also the depth of nesting: parsing is recursive."""
MAX_TEXT_CHARS = 50_000
"""Text beyond is cut: a question needs less, and the record must fit into Kafka's 1 MiB."""
MAX_SUBJECT_CHARS = 500
_MAX_REFERENCES = 21
"""The thread's root and the newest twenty, as a reply carries them (RFC 5322 §3.6.4)."""
_MAX_PART_BYTES = 1_000_000
_FORWARDED = ("message/rfc822", "message/global")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMail:
    """One mail, as far as it could be read."""

    message_id: str | None
    in_reply_to: str | None
    references: tuple[str, ...]
    sender: Mailbox | None
    """From the From field; it says who asks to be answered, and proves nothing (CVE-2023-27043)."""
    subject: str
    text: str
    """The body, quoted parts included; empty when there is none."""
    content_type: str
    fields: Fields
    content_hash: str
    """Equal for the same mail under another UID; transport fields such as Received do not count."""


def parse(raw: bytes) -> ParsedMail:
    """Read ``raw``, a whole mail in RFC 5322 form."""
    message = _tree(raw)
    fields = Fields(message)
    text = _body(message)
    references = fields.ids("References")
    message_id = next(iter(fields.ids("Message-ID")), None)
    subject = fields.text("Subject")[:MAX_SUBJECT_CHARS]
    return ParsedMail(
        message_id=message_id,
        in_reply_to=next(iter(fields.ids("In-Reply-To")), None),
        references=_trimmed(references),
        sender=fields.mailbox("From") or fields.mailbox("Sender"),
        subject=subject,
        text=text,
        content_type=attempt(message.get_content_type, "text/plain"),
        fields=fields,
        content_hash=_content_hash(message_id or "", fields.raw("Date"), fields.raw("From"), subject, text),
    )


class _TooManyPartsError(Exception):
    """Stops the parser; what it has built so far stays attached to the root."""


def _tree(raw: bytes) -> Message:
    """The mail's MIME tree; cut off where it is too deep or too wide."""
    made: list[Message] = []

    def part(policy: object = None) -> Message:  # noqa: ARG001 - the parser passes it by name
        if len(made) >= MAX_PARTS:
            raise _TooManyPartsError
        made.append(Message(policy=compat32))
        return made[-1]

    def build() -> Message:
        parser = BytesFeedParser(part, policy=compat32)
        parser.feed(raw)
        return parser.close()

    whole = attempt(build, None)
    if whole is not None:
        return whole
    # The first with fields is the root: the parser also makes one part only to see how that is done.
    return next((part for part in made if len(part)), Message(policy=compat32))


def _body(message: Message) -> str:
    """What the mail itself says; if that is nothing, what the mail says that it forwards."""
    return _shown(_parts(message, inside=())) or _shown(_parts(message, inside=_FORWARDED))


def _shown(parts: Iterable[Message]) -> str:
    """Plain text where there is any, else HTML as text."""
    plain: list[str] = []
    html: list[str] = []
    for part in parts:
        found = _text_of(part)
        if found:
            kind = attempt(part.get_content_type, "text/plain")
            (html if kind == "text/html" else plain).append(found)
    return _first_text(("\n\n".join(plain), "\n\n".join(html)))


def _first_text(candidates: tuple[str, ...]) -> str:
    return next((text for text in candidates if text.strip()), "").strip()[:MAX_TEXT_CHARS]


def _parts(message: Message, *, inside: tuple[str, ...]) -> Iterator[Message]:
    """The leaves that are text, in order; within attached mails only of the types ``inside``."""
    todo = [message]
    seen = 0
    while todo and seen < MAX_PARTS:
        part = todo.pop()
        seen += 1
        children = part.get_payload() if attempt(part.is_multipart, otherwise=False) else None
        if isinstance(children, list):
            kind = attempt(part.get_content_type, "")
            if kind not in _FORWARDED or kind in inside:
                todo.extend(child for child in reversed(children) if isinstance(child, Message))
        elif _is_body(part):
            yield part


def _is_body(part: Message) -> bool:
    if attempt(part.get_content_disposition, None) == "attachment":
        return False
    if attempt(part.get_content_maintype, "text") != "text":
        return False
    kind = attempt(part.get_content_type, "text/plain")
    return kind in ("text/plain", "text/html", "text/enriched") and not attempt(part.get_filename, None)


def _text_of(part: Message) -> str:
    data = attempt(lambda: part.get_payload(decode=True), None)
    if not isinstance(data, bytes):
        data = _undecoded(part)
    charset = attempt(part.get_content_charset, None)
    text = attempt(lambda: decode_text(data[:_MAX_PART_BYTES], charset), "")
    text = clean(text).replace("\r\n", "\n").replace("\r", "\n")
    if attempt(part.get_content_type, "text/plain") == "text/html":
        text = attempt(_html(text), "")
    return text.strip()


def _html(text: str) -> Callable[[], str]:
    return lambda: html_to_text(text)


def _undecoded(part: Message) -> bytes:
    payload = attempt(lambda: str(part.get_payload()), "")
    return payload.encode("utf-8", "surrogateescape")


def _trimmed(references: tuple[str, ...]) -> tuple[str, ...]:
    if len(references) <= _MAX_REFERENCES:
        return references
    return references[:1] + references[-(_MAX_REFERENCES - 1) :]


def _content_hash(*values: str) -> str:
    return hashlib.sha256("\x00".join(values).encode("utf-8", "replace")).hexdigest()
