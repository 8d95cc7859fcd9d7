"""What an SMTP reply means for a mail: again, gone, or refused.

Pure. The first digit of the basic code decides (RFC 5321 §4.2.1), the enhanced code (RFC 3463)
tells whose fault a permanent refusal is; 530, 534 and 535 are ours, whatever the mail.
"""

import re
from dataclasses import dataclass

_AUTH_CODES = frozenset({530, 534, 535})
_ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_CONTENT_SUBJECTS = frozenset({6})
"""x.6.*: the message's content or media."""
_CONTENT_CODES = frozenset({"5.3.4", "5.2.3", "5.7.7"})
"""Too big for the system, too big for the mailbox, message integrity."""
_TOO_BIG = 552


@dataclass(frozen=True, slots=True)
class AgainLater:
    """Refused for now."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotLetIn:
    """The server does not accept our account: only an operator can change that."""

    reason: str


@dataclass(frozen=True, slots=True)
class AddressGone:
    """Nothing can be delivered to this address."""

    reason: str


@dataclass(frozen=True, slots=True)
class MailRefused:
    """The mail is not taken; another one may be."""

    reason: str


SmtpVerdict = AgainLater | NotLetIn | AddressGone | MailRefused


def judge_reply(code: int, text: str) -> SmtpVerdict:
    """What the reply ``code text`` to any command before or after the data means."""
    enhanced = _ENHANCED.search(text)
    reason = f"the mail server answered {code} {' '.join(text.split())[:200]}"
    if code in _AUTH_CODES:
        return NotLetIn(reason)
    if code < 500 or (enhanced is not None and enhanced[1] == "4"):  # noqa: PLR2004 - 5xx is permanent
        return AgainLater(reason)
    if enhanced is None:
        return MailRefused(reason) if code == _TOO_BIG else AddressGone(reason)
    if enhanced[0] in _CONTENT_CODES or int(enhanced[2]) in _CONTENT_SUBJECTS:
        return MailRefused(reason)
    return AddressGone(reason)
