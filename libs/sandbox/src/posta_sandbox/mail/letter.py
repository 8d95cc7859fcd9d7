"""A mail message: built as a customer would write it, and read as a person would see it. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.utils import format_datetime
from typing import Any

_WIDE = policy.SMTP.clone(max_line_length=998)
"""Wider than RFC 5322 recommends, so that long message ids are not folded into encoded words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a customer writes, before it has the form of a message."""

    sender: str
    recipient: str
    subject: str
    text: str
    message_id: str
    in_reply_to: str | None = None
    references: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def compose(letter: Letter, now: float) -> bytes:
    """Return a message's bytes. Raises ValueError when a header could not be one."""
    message = EmailMessage(policy=_WIDE)
    message["From"] = letter.sender
    message["To"] = letter.recipient
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    message["Message-ID"] = letter.message_id
    if letter.in_reply_to:
        message["In-Reply-To"] = letter.in_reply_to
        message["References"] = letter.references or letter.in_reply_to
    for name, value in letter.headers.items():
        del message[name]
        message[name] = value
    message.set_content(letter.text)
    return message.as_bytes(policy=_WIDE)


def bare_address(shown: str) -> str:
    """Return the address in ``Name <address>``. Raises ValueError when there is none."""
    found = re.search(r"<([^<>]+)>\s*$", shown)
    address = (found.group(1) if found else shown).strip()
    Address(addr_spec=address)
    return address


def view(mail_id: str, raw: bytes) -> dict[str, Any]:
    """Return what tests and the page show of a message."""
    message = message_from_bytes(raw, policy=policy.default)
    return {
        "id": mail_id,
        "from": _header(message, "From"),
        "to": _header(message, "To"),
        "subject": _header(message, "Subject"),
        "date": _header(message, "Date"),
        "message_id": _header(message, "Message-ID"),
        "in_reply_to": _header(message, "In-Reply-To"),
        "references": _header(message, "References"),
        "auto_submitted": _header(message, "Auto-Submitted"),
        "headers": [[name, str(value)] for name, value in message.items()],
        "text": _text(message),
    }


def _header(message: Message, name: str) -> str | None:
    value = message[name]
    return None if value is None else re.sub(r"[\r\n]+[ \t]*", " ", str(value)).strip()


def _text(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    try:
        content = part.get_content()
    except (LookupError, UnicodeError):
        payload = part.get_payload(decode=True)
        content = payload.decode("latin-1") if isinstance(payload, bytes) else ""
    return str(content)
