"""What both publishers decide alike: when to try, what a verdict does to the spool, how long to pause.

    the spool is empty and nobody pauses ──▶ send directly ──not taken──▶ keep, pause
    else ─────────────────────────────────▶ keep, then drain in order if nobody pauses

So events of one process leave in the order of its calls, and while Posta is away only one call each
pause pays for finding that out.
"""

import logging
import random
import time
from dataclasses import dataclass

from posta_client.drain_lock import DrainLock
from posta_client.event import Event
from posta_client.receipt import Receipt, State
from posta_client.settings import Settings
from posta_client.spool import Contents, Kept, Pause, Spool, SpoolBusy, SpoolError
from posta_client.verdict import Later, Refused, Taken, Verdict

log = logging.getLogger("posta_client")
BATCH = 50
BATCH_BYTES = 128 * 1024
"""Half of what ingress takes by default."""
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_LEAST_S = 0.05


@dataclass(slots=True)
class Drain:
    """How far one drain has come."""

    singly: int = 0
    """Events to be sent one at a time, to find the one that is refused."""
    posta_ids: dict[str, str | None] | None = None
    sent: int = 0


class Outbox:
    """The spool, and the rules around it. Without a spool nothing is kept."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._spool = (
            None
            if settings.spool is None
            else Spool(settings.spool, max_events=settings.max_events, max_bytes=settings.max_bytes)
        )

    def may_send_directly(self, *, timeout_s: float) -> bool:
        """Whether no earlier event waits and nobody pauses."""
        if not self._settings.url:
            return False
        if self._spool is None:
            return True
        try:
            is_first = not self._spool.is_waiting(timeout_s=timeout_s)
            return is_first and not self.is_pausing(timeout_s=timeout_s)
        except SpoolBusy:
            return False  # what keeps it busy may be earlier events
        except SpoolError:
            return True

    def may_send_at_all(self) -> bool:
        """Whether an event that cannot be kept may be tried at once, ahead of what waits."""
        try:
            return bool(self._settings.url) and not self.is_pausing(timeout_s=_LEAST_S)
        except SpoolError:
            return bool(self._settings.url)

    def is_pausing(self, *, timeout_s: float = 5.0) -> bool:
        """Whether Posta should be left alone for now. Raises ``SpoolError``."""
        if self._spool is None:
            return False
        until = self._spool.pause(timeout_s=timeout_s).until
        # A clock that was set back must not silence us for days.
        return time.time() < until <= time.time() + 2 * _LONGEST_PAUSE_S * 60

    def keep(self, event: Event, reason: str, *, timeout_s: float) -> Receipt:
        """Keep an event that was not sent, and say how that went."""
        if self._spool is None:
            return self._lost(event, f"{reason}; and there is no spool (set POSTA_SPOOL)")
        try:
            self._spool.put(event, timeout_s=max(timeout_s, _LEAST_S))
        except SpoolError as exc:
            return self._lost(event, f"{reason}; {exc}" if reason else str(exc))
        return Receipt(id=event.id, state=State.KEPT, reason=reason)

    def settle_one(self, event: Event, verdict: Verdict, *, timeout_s: float) -> Receipt:
        """What becomes of an event that was sent directly."""
        match verdict:
            case Taken(ids):
                return Receipt(id=event.id, state=State.SENT, posta_id=ids[0] if ids else None)
            case Refused(reason):
                return self._refused(event, reason, timeout_s=timeout_s)
            case Later(reason):
                receipt = self.keep(event, reason, timeout_s=timeout_s)
                self._postpone(verdict)
                return receipt

    def next_batch(self, drain: Drain) -> list[Kept]:
        """What to send next; empty when nothing waits, or nobody may try. Raises ``SpoolError``."""
        if self._spool is None or not self._settings.url or self.is_pausing():
            return []
        return self._spool.first(1 if drain.singly else BATCH, max_bytes=BATCH_BYTES)

    def settle(self, drain: Drain, batch: list[Kept], verdict: Verdict) -> bool:
        """Do to the spool what the verdict says; whether to go on. Raises ``SpoolError``."""
        if self._spool is None:
            return False
        match verdict:
            case Taken(ids):
                self._spool.remove(batch)
                if drain.posta_ids is not None:
                    padded = [*ids, *([None] * (len(batch) - len(ids)))]
                    drain.posta_ids |= {kept.event.id: of for kept, of in zip(batch, padded, strict=False)}
                drain.sent += len(batch)
                drain.singly = max(0, drain.singly - len(batch))
                return True
            case Refused(reason) if len(batch) == 1:
                log.error("event %s is refused and put aside: %s", batch[0].event.id, reason)
                self._spool.refuse(batch[0], reason)
                drain.singly = max(0, drain.singly - 1)
                return True
            case Refused():
                drain.singly = len(batch)
                return True
            case Later():
                self._postpone(verdict)
                return False

    def lock(self) -> DrainLock | None:
        """What a drain must hold; None: there is nothing to drain."""
        return None if self._spool is None else self._spool.drain_lock()

    def holds(self, event_id: str, *, timeout_s: float) -> bool:
        """Whether that event still waits here."""
        try:
            return self._spool is not None and self._spool.has(event_id, timeout_s=timeout_s)
        except SpoolError:
            return True

    def contents(self) -> Contents:
        """How much is kept. Raises ``SpoolError``."""
        if self._spool is None:
            return Contents(waiting=0, refused=0, bytes=0, oldest_at=None)
        return self._spool.contents()

    def refusals(self) -> list[tuple[str, str]]:
        """Ids and reasons of what was refused. Raises ``SpoolError``."""
        return [] if self._spool is None else self._spool.refusals()

    def requeue_refused(self) -> int:
        """Try again what was refused. Raises ``SpoolError``."""
        return 0 if self._spool is None else self._spool.requeue_refused()

    def end_pause(self) -> None:
        """Try at once. Raises ``SpoolError``."""
        if self._spool is not None:
            self._spool.set_pause(Pause())

    def close(self) -> None:
        """Close the spool's file."""
        if self._spool is not None:
            self._spool.close()

    def _postpone(self, later: Later) -> None:
        if self._spool is None:
            return
        try:
            before = self._spool.pause(timeout_s=1.0)
            failures = min(before.failures + 1, 16)
            grown_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (failures - 1))
            pause_s = max(later.after_s or 0.0, grown_s * random.uniform(0.5, 1.0))
            pause = Pause(until=time.time() + pause_s, failures=failures, reason=later.reason)
            self._spool.set_pause(pause, timeout_s=1.0)
        except SpoolError as exc:
            log.warning("the pause could not be noted: %s", exc)
        else:
            if failures == 1:
                log.warning("Posta does not take events now, they are kept: %s", later.reason)

    def _refused(self, event: Event, reason: str, *, timeout_s: float) -> Receipt:
        log.error("event %s is refused: %s", event.id, reason)
        if self._spool is not None:
            try:
                self._spool.put_refused(event, reason, timeout_s=max(timeout_s, _LEAST_S))
            except SpoolError as exc:
                log.warning("the refused event %s is not kept: %s", event.id, exc)
        return Receipt(id=event.id, state=State.REFUSED, reason=reason)

    def _lost(self, event: Event, reason: str) -> Receipt:
        return Receipt(id=event.id, state=State.LOST, reason=reason)
