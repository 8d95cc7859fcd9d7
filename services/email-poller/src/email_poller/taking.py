"""Takes messages out of the mailbox: each UID that is new is fetched, decided and remembered, in order.

select --> which UIDs are undecided --> fetch --> parse --> decide and store in one transaction
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from opentelemetry.context import Context
from opentelemetry.trace import Span

from email_poller.decision import Decision, Facts, Ignore, MailId, Take, TakingPolicy, decide
from email_poller.ignored import Ignored
from email_poller.mailbox import Criteria, Mailbox, MessageRefused
from email_poller.mailbox_store import CatchUp, Cursor, MailboxStore, MailFacts
from email_poller.parse import ParsedMail, parse
from posta.telemetry import names, tracing
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
OVERLAP_UIDS = 20
"""Some servers show a message late, after one with a higher UID; so many are looked at again."""
_REFUSALS = 5
"""So many cycles a message is asked for that the server refuses to hand over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakingLimits:
    """How much is fetched, and how far back a renumbered mailbox is read."""

    max_bytes: int
    rescan_days: int


@dataclass(slots=True)
class Taker:
    """Takes from ``mailbox`` what ``store`` does not know yet."""

    mailbox: Mailbox
    store: MailboxStore
    limits: TakingLimits
    policy: TakingPolicy
    today: Callable[[], date]
    """The current day in UTC."""
    _refusals: dict[int, int] = field(default_factory=dict)

    async def open(self) -> Cursor:
        """Open the mailbox and return how far it has been read, begun anew if its numbering is new."""
        selected = await self.mailbox.select()
        cursor = await self.store.cursor()
        if cursor is not None and cursor.uidvalidity == selected.uidvalidity:
            return cursor
        if cursor is not None:
            log.warning("mailbox_renumbered", before=cursor.uidvalidity, now=selected.uidvalidity)
        self._refusals.clear()
        return await self.store.begin(
            uidvalidity=selected.uidvalidity,
            floor_uid=selected.uidnext - 1,
            catch_up=CatchUp.UNSEEN if cursor is None else CatchUp.RESCAN,
        )

    async def undecided(self, cursor: Cursor) -> list[int]:
        """UIDs to decide now, ascending; while catching up, only those up to the floor."""
        criteria = self._criteria(cursor)
        found = await self.mailbox.search(criteria)
        if cursor.catch_up is not None:
            found = [uid for uid in found if uid <= cursor.floor_uid]
        if not found:
            return []
        known = await self.store.taken(cursor.uidvalidity, found)
        return [uid for uid in found if uid not in known]

    async def caught_up(self, cursor: Cursor) -> Cursor:
        """Note that everything up to the floor is decided; return the cursor from there on."""
        await self.store.caught_up(cursor)
        return replace(cursor, catch_up=None, last_uid=max(cursor.last_uid, cursor.floor_uid))

    def _criteria(self, cursor: Cursor) -> Criteria:
        match cursor.catch_up:
            case CatchUp.UNSEEN:
                return Criteria(above_uid=cursor.last_uid, unseen=True)
            case CatchUp.RESCAN:
                since = self.today() - timedelta(days=self.limits.rescan_days)
                return Criteria(above_uid=cursor.last_uid, since=since)
            case None:
                return Criteria(above_uid=max(cursor.floor_uid, cursor.last_uid - OVERLAP_UIDS))

    async def take(self, uid: int, size: int, cursor: Cursor) -> None:
        """Fetch, decide and remember one message of ``size`` bytes, as a trace of its own.

        Raises ``Unavailable``, ``Refused`` or ``MessageRefused``; then nothing is remembered of it.
        """
        attributes = {"posta.mail.uid": uid, "posta.mail.size_bytes": size}
        with tracing.span("take mail", parent=Context(), attributes=attributes) as span:
            mail = await self._read(uid, size)
            if mail is None:
                return
            traceparent = tracing.current_trace_headers().get("traceparent")
            decision = await self.store.take(
                uid,
                cursor,
                _facts_of(mail, uid, traceparent),
                lambda where, facts: self._decide(mail, where, facts),
            )
            if decision is not None:
                self._refusals.pop(uid, None)
                _note(span, uid, size, decision)

    async def _read(self, uid: int, size: int) -> "ParsedMail | Ignored | None":
        """The mail, or why it is not read; None when it is gone. Raises ``MessageRefused`` a few times."""
        if size > self.limits.max_bytes:
            return Ignored.TOO_LARGE
        try:
            raw = await self.mailbox.fetch(uid)
        except MessageRefused as exc:
            count = self._refusals[uid] = self._refusals.get(uid, 0) + 1
            log.error("mail_refused_by_server", uid=uid, attempt=count, attempts=_REFUSALS, error=str(exc))
            if count < _REFUSALS:
                raise
            return Ignored.UNREADABLE
        if raw is None:
            return None
        if len(raw) > self.limits.max_bytes:  # some servers name a size without the header fields
            return Ignored.TOO_LARGE
        try:
            # In a thread: a large mail takes a while, and the loop has health checks to answer.
            return await asyncio.to_thread(parse, raw)
        except Exception as exc:  # noqa: BLE001 - see _unexpected
            return _unexpected("mail_not_parsed", uid, exc)

    def _decide(self, mail: "ParsedMail | Ignored", where: MailId, facts: Facts) -> Decision:
        if isinstance(mail, Ignored):
            return Ignore(why=mail)
        try:
            return decide(mail, where, facts, self.policy)
        except Exception as exc:  # noqa: BLE001 - see _unexpected
            return Ignore(why=_unexpected("mail_not_decided", where.uid, exc))


def _unexpected(event: str, uid: int, error: Exception) -> Ignored:
    """A fault of ours in pure code: one mail must not stop all behind it, and a person can still read it."""
    log.error(event, uid=uid, exc_info=error)
    names.UNEXPECTED.labels("email-poller", type(error).__name__).inc()
    return Ignored.UNREADABLE


def _facts_of(mail: "ParsedMail | Ignored", uid: int, traceparent: str | None) -> MailFacts:
    if isinstance(mail, Ignored):
        nothing = hashlib.sha256(f"{mail}:{uid}".encode()).hexdigest()
        return MailFacts(message_id=None, content_hash=nothing, sender=None, traceparent=traceparent)
    return MailFacts(
        message_id=mail.message_id,
        content_hash=mail.content_hash,
        sender=mail.sender.address if mail.sender else None,
        traceparent=traceparent,
    )


def _note(span: Span, uid: int, size: int, decision: Decision) -> None:
    """One line, one count, one attribute for each mail."""
    if isinstance(decision, Take):
        names.MAIL_TAKEN.labels("taken").inc()
        span.set_attribute("posta.outcome", "taken")
        log.info("mail_taken", uid=uid, size_bytes=size, locale=decision.payload.locale)
    else:
        names.MAIL_TAKEN.labels(f"ignored_{decision.why}").inc()
        span.set_attribute("posta.outcome", f"ignored_{decision.why}")
        log.info("mail_ignored", uid=uid, size_bytes=size, why=decision.why.value)
