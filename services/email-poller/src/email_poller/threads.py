"""PURE: which mail thread a mail belongs to, as the key that keeps the thread in order.

A reply names its thread's first mail as the first of its References (RFC 5322 §3.6.4); that mail's
own Message-ID is the same id, so the question and every later mail get one key.
"""

import hashlib
import re

from email_poller.parse import ParsedMail
from posta.domain.ids import conversation_key

_PREFIXES = re.compile(
    r"^(?:\s*(?:re|r|rv|fw|fwd|aw|wg|sv|vs|tr|ref|res|enc)\s*(?:\[\d+\])?\s*:)+", re.IGNORECASE
)


def thread_key(mail: ParsedMail, *, account: str) -> str:
    """The conversation id of ``mail``, taken from ``account``."""
    digest = hashlib.sha256(thread_root(mail).encode()).hexdigest()[:32]
    return conversation_key(medium="email", place=account.lower(), person=digest)


def thread_root(mail: ParsedMail) -> str:
    """The id of the thread's first mail; without any id, who wrote about what."""
    if mail.references:
        return mail.references[0]
    known = mail.in_reply_to or mail.message_id
    if known is not None:
        return known
    sender = mail.sender.address.lower() if mail.sender else ""
    return f"{sender}\n{normalised_subject(mail.subject)}"


def normalised_subject(subject: str) -> str:
    """``subject`` without reply and forward marks, in lower case, with single spaces."""
    return " ".join(_PREFIXES.sub("", subject).lower().split())
