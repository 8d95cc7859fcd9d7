"""PURE: what becomes of one mail: an event to publish, or nothing, with the reason.

The mailbox's memory is given as ``Facts``, read in the transaction that will store the decision.
"""

from dataclasses import dataclass

from email_poller.automatic import automatic_reason
from email_poller.ignored import Ignored
from email_poller.language_guess import guess_language
from email_poller.parse import ParsedMail
from email_poller.reply_text import reply_text
from email_poller.threads import thread_key
from posta.domain.payloads import EmailReceived, Person


@dataclass(frozen=True, slots=True, kw_only=True)
class MailId:
    """What names one message for ever (RFC 9051 §2.3.1.1)."""

    account: str
    mailbox: str
    uidvalidity: int
    uid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is remembered about a mail's sender and content."""

    sent_by_us: bool = False
    """Its Message-ID is one of our deliveries'."""
    duplicate: bool = False
    """A mail with the same Message-ID and content has been taken from this account."""
    answers_last_hour: int = 0
    """Mails of this sender that were taken for an answer within the last hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakingPolicy:
    """Which mails are ours, and how many one sender may have answered."""

    own_addresses: frozenset[str]
    answers_per_sender_per_hour: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """The mail is a question: publish this under this key."""

    key: str
    payload: EmailReceived


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """The mail gets no answer."""

    why: Ignored


Decision = Take | Ignore


def decide(mail: ParsedMail, where: MailId, facts: Facts, policy: TakingPolicy) -> Decision:
    """What becomes of ``mail``."""
    why = _why_ignored(mail, facts, policy)
    if why is not None or mail.sender is None:
        return Ignore(why=why or Ignored.NO_SENDER)
    text = reply_text(mail.text) or mail.subject
    payload = EmailReceived(
        account=where.account,
        mailbox=where.mailbox,
        uidvalidity=where.uidvalidity,
        uid=where.uid,
        message_id=mail.message_id,
        in_reply_to=mail.in_reply_to,
        references=mail.references,
        sender=Person(id=mail.sender.address, name=mail.sender.name),
        subject=mail.subject,
        text=text,
        locale=guess_language(text, mail.subject),
    )
    return Take(key=thread_key(mail, account=where.account), payload=payload)


def _why_ignored(mail: ParsedMail, facts: Facts, policy: TakingPolicy) -> Ignored | None:
    automatic = automatic_reason(mail, own_addresses=policy.own_addresses)
    found = (
        (facts.sent_by_us, Ignored.SENT_BY_US),
        (facts.duplicate, Ignored.DUPLICATE),
        (automatic is not None, automatic),
        (mail.sender is None, Ignored.NO_SENDER),
        (not mail.text and not mail.subject, Ignored.NO_TEXT),
        (facts.answers_last_hour >= policy.answers_per_sender_per_hour, Ignored.SENDER_CAP),
    )
    return next((why for applies, why in found if applies), None)
