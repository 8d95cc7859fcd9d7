"""What became of a published event, told from the traces it left.

    ACCEPTED ──deliver_at is ahead──▶ SCHEDULED        a bot polls:   WAITING ──▶ SENT
       │  ▲                              │                               └──────▶ FAILED
       │  └───────── its time ───────────┘
       ├──cancelled──▶ CANCELLED
       ▼
    SENDING ──▶ SENT, FOLDED, DIGESTED or HANDLED
       │  ▲
       ▼  │ refused for now
    RETRYING ──given up──▶ DEAD or EXPIRED ──replayed──▶ SENDING

Pure. Nothing keeps the state itself: it cannot differ from what happened.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EventState(StrEnum):
    """Where a published event is now."""

    ACCEPTED = "ACCEPTED"
    """Safe; nobody has begun to send it."""
    SCHEDULED = "SCHEDULED"
    """Safe; it waits for its time."""
    SENDING = "SENDING"
    """An attempt is under way, or its outcome is not known."""
    RETRYING = "RETRYING"
    """An attempt was refused for now; the next one will come."""
    SENT = "SENT"
    """Delivered, or processed by the bot that fetched it."""
    FOLDED = "FOLDED"
    """Shown by an earlier event's message, which counts it: both have the same ``dedupe_key``."""
    DIGESTED = "DIGESTED"
    """It waits for the digest that sums it up, or was shown by it."""
    HANDLED = "HANDLED"
    """Nothing of it is shown: a route drops it, or what is shown is newer."""
    WAITING = "WAITING"
    """In the mailbox of a bot that polls."""
    FAILED = "FAILED"
    """The bot gave it up."""
    CANCELLED = "CANCELLED"
    """Its publisher cancelled it in time."""
    EXPIRED = "EXPIRED"
    """Its time was over before it could be delivered."""
    DEAD = "DEAD"
    """Given up: a dead letter that an operator can replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTraces:
    """What the tables say of one event and of the deliveries derived from it."""

    deliver_at: datetime | None = None
    is_claimed: bool = False
    """Notifier has begun an attempt that was not refused."""
    is_cancelled: bool = False
    deliveries: tuple[str, ...] = ()
    """State of each row in the delivery ledger: ``sending``, ``sent``, ``failed`` or another."""
    dead_letters: tuple[str, ...] = ()
    """Error class of each dead letter that is neither replayed nor being replayed."""
    mailboxes: tuple[str, ...] = ()
    """State in each mailbox for bots: ``pending``, ``leased``, ``processed`` or ``failed``."""
    is_settled: bool = False
    """Notifier is done with the event itself."""
    copies: int = 0
    """Events that it was routed on as."""
    ended_copies: int = 0
    """Those of them that were cancelled, or of which nothing is shown."""
    folds: int = 0
    """Those of ``deliveries`` that made another event's message count one more."""
    digests: "tuple[EventTraces, ...]" = ()
    """The traces of each digest that holds it; none yet: it waits to be made up."""


def event_state(traces: EventTraces, *, now: datetime) -> EventState:
    """The state that these traces mean at ``now``; of several deliveries the worst one counts."""
    if traces.is_cancelled:
        return EventState.CANCELLED
    if traces.digests:
        return _digested(traces.digests)
    if traces.is_claimed or traces.deliveries or traces.dead_letters or traces.mailboxes:
        return _given_up(traces) or _under_way(traces)
    is_ahead = traces.deliver_at is not None and now < traces.deliver_at
    return EventState.SCHEDULED if is_ahead else EventState.ACCEPTED


def _digested(digests: tuple[EventTraces, ...]) -> EventState:
    ends = [_given_up(digest) for digest in digests]
    for bad in (EventState.DEAD, EventState.EXPIRED, EventState.FAILED):
        if bad in ends:
            return bad
    return EventState.DIGESTED


def _given_up(traces: EventTraces) -> EventState | None:
    if _is_all_done(traces, ("sent",), ("processed",)):
        return _shown(traces)
    if traces.dead_letters:
        is_expired = all(reason == "expired" for reason in traces.dead_letters)
        return EventState.EXPIRED if is_expired else EventState.DEAD
    return EventState.FAILED if "failed" in traces.mailboxes else None


def _shown(traces: EventTraces) -> EventState:
    places = len(traces.deliveries) + len(traces.mailboxes)
    if places == 0:
        return EventState.HANDLED
    return EventState.FOLDED if traces.folds == places else EventState.SENT


def _under_way(traces: EventTraces) -> EventState:
    if "failed" in traces.deliveries and (traces.is_settled or not traces.is_claimed):
        return EventState.RETRYING
    if _is_all_done(traces, ("sent",), ("processed", "pending", "leased")):
        return EventState.WAITING
    is_silent = not (traces.deliveries or traces.mailboxes or traces.copies)
    return EventState.HANDLED if traces.is_settled and is_silent else EventState.SENDING


def _is_all_done(traces: EventTraces, deliveries: tuple[str, ...], mailboxes: tuple[str, ...]) -> bool:
    """Whether every place is known and in one of these states."""
    known = len(traces.deliveries) + len(traces.mailboxes) + traces.ended_copies
    return (
        known >= max(1, traces.copies)
        and all(state in deliveries for state in traces.deliveries)
        and all(state in mailboxes for state in traces.mailboxes)
    )
