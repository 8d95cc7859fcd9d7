"""Builds the reply mail: in its thread, marked as automatic, and safe against what it quotes.

Pure. Threading: RFC 5322 §3.6.4. Marking: RFC 3834 §5 and MS-OXCMAIL 2.1.3.2.20. Two traps of
Python's ``email`` decide the form: it folds a msg-id of 78 characters or more into an encoded word,
which breaks the thread, so headers that hold ids are written with lines of up to 998; and before
3.13 it turns ``=?…?=`` inside a copied subject into header lines of its own (CVE-2024-6923), so
that sequence never gets in.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from typing import Any

from notifier.refusals import TargetGone
from notifier.rendering.neutral import readable
from posta.domain.payloads import EmailTarget

SUBJECT_LIMIT = 200
MSG_ID_LIMIT = 900
REFERENCES_KEPT = 20
"""Of a long thread's references the first one and the last so many are kept."""
NO_SUBJECT = {"en": "your message", "es": "tu mensaje"}

_MSG_ID = re.compile(r"<[^<>\s\x00-\x1f\x7f]+@[^<>\s\x00-\x1f\x7f]+>", re.ASCII)
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_REPLY_PREFIX = re.compile(r"^(?:\s*(?:re|aw|rv|res)\s*:\s*)+", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_ID_HEADERS = frozenset({"message-id", "in-reply-to", "references"})
_WHOLE_LINES = SMTP.clone(max_line_length=998)


class _WholeIds(EmailPolicy):
    """Folds ids nowhere inside, and everything else at 78 as mail programs expect."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        """The header's bytes."""
        policy = _WHOLE_LINES if name.lower() in _ID_HEADERS else SMTP
        return policy.fold_binary(name, value)


_POLICY = _WholeIds(linesep="\r\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail ready to be handed to an SMTP server."""

    message_id: str
    sender: str
    recipient: str
    data: bytes


def reply_id(event_id: str, account: str) -> str:
    """The Message-ID of the reply to ``event_id``: the same on every attempt."""
    domain = account.rpartition("@")[2]
    return f"<posta.{hashlib.sha256(event_id.encode()).hexdigest()[:40]}@{domain}>"


def compose(target: EmailTarget, text: str, *, event_id: str, sent_at: datetime, language: str) -> Letter:
    """The reply to ``target``; equal arguments make equal bytes.

    Raises ``TargetGone`` when an address is none that SMTP can carry.
    """
    account, recipient = _address(target.account), _address(target.to)
    message_id = reply_id(event_id, account)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = account
    mail["To"] = Address(display_name=_header_text(target.to_name, 100), addr_spec=recipient)
    mail["Subject"] = reply_subject(target.subject, language)
    mail["Date"] = sent_at
    mail["Message-ID"] = message_id
    parent = _msg_id(target.in_reply_to)
    if parent is not None:
        mail["In-Reply-To"] = parent
        mail["References"] = " ".join(references(target.references, parent))
    mail["Auto-Submitted"] = "auto-replied"
    mail["X-Auto-Response-Suppress"] = "All"
    # Quoted-printable: not every server on the way takes 8-bit lines, nor long ones.
    mail.set_content(readable(text).strip() + "\n", charset="utf-8", cte="quoted-printable")
    data = mail.as_bytes(policy=_POLICY)
    return Letter(message_id=message_id, sender=account, recipient=recipient, data=data)


def reply_subject(subject: str, language: str) -> str:
    """``Re: `` and the subject replied to, on one line, without a chain of prefixes."""
    bare = _REPLY_PREFIX.sub("", _header_text(subject, SUBJECT_LIMIT))
    return f"Re: {bare or NO_SUBJECT.get(language, NO_SUBJECT['en'])}"


def references(known: tuple[str, ...], parent: str) -> list[str]:
    """The thread so far, oldest first, the parent last; a long one without its middle."""
    ids = [found for text in known if (found := _msg_id(text)) is not None and found != parent]
    ids = list(dict.fromkeys([*ids, parent]))
    if len(ids) <= REFERENCES_KEPT + 1:
        return ids
    return [ids[0], *ids[-REFERENCES_KEPT:]]


def _msg_id(text: str | None) -> str | None:
    found = (text or "").strip()
    return found if len(found) <= MSG_ID_LIMIT and _MSG_ID.fullmatch(found) else None


def _address(text: str) -> str:
    local, at, domain = text.strip().rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode("ascii") if not domain.isascii() else domain
    except UnicodeError:
        ascii_domain = ""
    address = f"{local}{at}{ascii_domain}"
    if not _ADDRESS.fullmatch(address) or len(address) > 254:  # noqa: PLR2004 - RFC 5321 §4.5.3.1.3
        raise TargetGone("the mail address is none that SMTP can carry; correct it at its source")
    return address


def _header_text(text: str, limit: int) -> str:
    """Text from outside that may stand in a header: one line, no encoded words, bounded."""
    line = " ".join(readable(_CONTROLS.sub(" ", text)).split())
    return line.replace("=?", "= ?")[:limit].strip()
