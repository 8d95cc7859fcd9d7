"""The loop: publish what is pending, take what is new, publish it, mark it; then wait.

poll --> [another poller has the mailbox: stand by]
     --> outbox --> take a batch --> outbox --> mark Seen --> next batch … --> wait interval_s
any failure ends the poll; the next one comes after a backoff and begins with what is left
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from email_poller.mailbox import Mailbox, MessageRefused, Refused
from email_poller.mailbox_store import Cursor, MailboxStore
from email_poller.outbox import Outbox
from email_poller.taking import Taker
from posta.domain.backoff import Backoff, FullJitter
from posta.errors import Failure
from posta.kafka.producer import PublishFailed
from posta.tasks import within
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_MIN_READY_S = 3.0
_BACKOFF = FullJitter(base_s=1.0, cap_s=20.0, floor_s=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPolicy:
    """How often the mailbox is asked, and how long to wait after what."""

    interval_s: float = 5.0
    batch: int = 50
    mark_seen: bool = True
    backoff: Backoff = _BACKOFF
    """After a lost connection, an absent database or Kafka."""
    refused_wait_s: float = 30.0
    """After a refusal that only a person can end: asking often gets accounts locked."""
    refused_log_every_s: float = 60.0
    stalled_after_s: float = 180.0
    """A loop that has not moved for so long is taken for dead; longer than any bounded call."""


@dataclass(slots=True)
class PollHealth:
    """What the loop last did, for the health checks; times are on the monotonic clock."""

    moved_at: float
    polled_at: float | None = None
    fault: str | None = None
    """Why the last poll failed."""


@dataclass(slots=True)
class Poller:
    """Polls one mailbox until it is told to stop."""

    mailbox: Mailbox
    store: MailboxStore
    taker: Taker
    outbox: Outbox
    policy: PollPolicy
    jitter: Callable[[], float]
    """In [0, 1)."""
    clock: Callable[[], float] = time.monotonic
    health: PollHealth = field(init=False)
    _failures: int = 0
    _refused_logged_at: float | None = None
    _kafka_failed: PublishFailed | None = None
    _unmarked: set[tuple[int, int]] = field(default_factory=set)
    """(UIDVALIDITY, UID) of published mails that are not marked yet; lost by a crash, as marking may be."""

    def __post_init__(self) -> None:
        self.health = PollHealth(moved_at=self.clock())

    async def run(self, stop: asyncio.Event) -> None:
        """Poll at once, then every interval, until ``stop`` is set; a mail under way is finished."""
        while not stop.is_set():
            wait_s = await self._poll_once(stop)
            self._moved()
            with contextlib.suppress(TimeoutError):
                await within(wait_s, stop.wait())

    async def live_fault(self) -> str | None:
        """What is wrong with the loop itself, if anything."""
        still_s = self.clock() - self.health.moved_at
        limit_s = self.policy.stalled_after_s + max(self.policy.interval_s, self.policy.refused_wait_s)
        return f"the poll loop has not moved for {still_s:.0f} s" if still_s > limit_s else None

    async def ready_fault(self) -> str | None:
        """Why the mailbox does not count as watched, if so: no good poll within three intervals."""
        limit_s = max(3 * self.policy.interval_s, _MIN_READY_S)
        if self.health.polled_at is None:
            return self.health.fault or "the mailbox has not been polled yet"
        age_s = self.clock() - self.health.polled_at
        if age_s <= limit_s:
            return None
        return f"no successful poll for {age_s:.0f} s: {self.health.fault or 'it is under way'}"

    async def _poll_once(self, stop: asyncio.Event) -> float:
        """One poll; seconds until the next."""
        try:
            await self._poll(stop)
        except Refused as exc:
            self._failures += 1
            # Shown at once: the last good poll says nothing about the next mail.
            self.health.polled_at, self.health.fault = None, str(exc)
            self._log_refusal(exc)
            return max(self.policy.refused_wait_s, self.policy.interval_s)
        except Failure as exc:
            return self._failed(exc)
        except Exception as exc:
            log.exception("poll_failed_unexpectedly")
            names.UNEXPECTED.labels("email-poller", type(exc).__name__).inc()
            return self._failed(exc)
        self._failures, self.health.fault, self._refused_logged_at = 0, None, None
        return self.policy.interval_s

    async def _poll(self, stop: asyncio.Event) -> None:
        self._kafka_failed = None
        async with self.store.exclusive() as mine:
            if mine:
                await self._publish()
                await self._take_all_new(stop)
                await self.outbox.count()
        self._polled_well()
        if self._kafka_failed is not None:
            raise self._kafka_failed

    async def _take_all_new(self, stop: asyncio.Event) -> None:
        cursor = await self.taker.open()
        self._polled_well()
        if cursor.catch_up is not None:
            await self._take_in_batches(cursor, stop)
            if stop.is_set():
                return
            cursor = await self.taker.caught_up(cursor)
        await self._take_in_batches(cursor, stop)

    async def _take_in_batches(self, cursor: Cursor, stop: asyncio.Event) -> None:
        uids = await self.taker.undecided(cursor)
        for at in range(0, len(uids), self.policy.batch):
            await self._take_batch(uids[at : at + self.policy.batch], cursor, stop)
            await self._publish()
            await self._mark(cursor)
        await self._mark(cursor)  # what an earlier poll could not

    async def _take_batch(self, uids: Sequence[int], cursor: Cursor, stop: asyncio.Event) -> None:
        if stop.is_set():
            return
        sizes = await self.mailbox.sizes(uids)
        for uid in uids:
            if stop.is_set():
                return
            size = sizes.get(uid)
            if size is not None:  # else another client has removed it meanwhile
                await self.taker.take(uid, size, cursor)
            self._polled_well()

    async def _publish(self) -> None:
        """Publish what is pending; when Kafka is away, taking goes on and the rows wait."""
        if self._kafka_failed is not None:
            return
        try:
            async for event in self.outbox.publish_pending():
                self._unmarked.add((event.uidvalidity, event.uid))
                self._moved()
        except PublishFailed as exc:
            self._kafka_failed = exc

    async def _mark(self, cursor: Cursor) -> None:
        """Set the Seen flag on what Kafka has; forgotten where the server forbids it."""
        uids = sorted(uid for uidvalidity, uid in self._unmarked if uidvalidity == cursor.uidvalidity)
        if uids and self.policy.mark_seen:
            try:
                await self.mailbox.mark_seen(uids)
            except MessageRefused as exc:
                log.warning("mails_not_marked_seen", count=len(uids), error=str(exc))
        self._unmarked.clear()

    def _failed(self, error: Exception) -> float:
        self._failures += 1
        self.health.fault = f"{type(error).__name__}: {error}"
        wait_s = self.policy.backoff.delay_s(self._failures, self.jitter())
        log.warning(
            "poll_failed", error=self.health.fault, failures=self._failures, next_in_s=round(wait_s, 2)
        )
        return wait_s

    def _log_refusal(self, error: Refused) -> None:
        now, last = self.clock(), self._refused_logged_at
        if last is None or now - last >= self.policy.refused_log_every_s:
            self._refused_logged_at = now
            log.error("mailbox_refused", error=str(error), next_in_s=self.policy.refused_wait_s)

    def _moved(self) -> None:
        self.health.moved_at = self.clock()

    def _polled_well(self) -> None:
        self._moved()
        self.health.polled_at = self.health.moved_at
        names.MAIL_LAST_POLL.set_to_current_time()
