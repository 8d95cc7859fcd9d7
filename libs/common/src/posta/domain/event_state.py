"""What became of a published event, told from the traces it left.

    ACCEPTED ──deliver_at is ahead──▶ SCHEDULED        a bot polls:   WAITING ──▶ SENT
       │  ▲                              │                               └──────▶ FAILED
       │  └───────── its time ───────────┘
       ├──cancelled──▶ CANCELLED
       ▼
    SENDING ──▶ SENT
       │  ▲ └──▶ HANDLED
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
    HANDLED = "HANDLED"
    """Nothing of its own was to be shown: it was folded into another message, will be summed up, or a
    route drops it."""
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


def event_state(traces: EventTraces, *, now: datetime) -> EventState:
    """The state that these traces mean at ``now``; of several deliveries the worst one counts."""
    if traces.is_cancelled:
        return EventState.CANCELLED
    if traces.is_claimed or traces.deliveries or traces.dead_letters or traces.mailboxes:
        return _given_up(traces) or _under_way(traces)
    is_ahead = traces.deliver_at is not None and now < traces.deliver_at
    return EventState.SCHEDULED if is_ahead else EventState.ACCEPTED


def _given_up(traces: EventTraces) -> EventState | None:
    if _is_all_done(traces, ("sent",), ("processed",)):
        return EventState.SENT
    if traces.dead_letters:
        is_expired = all(reason == "expired" for reason in traces.dead_letters)
        return EventState.EXPIRED if is_expired else EventState.DEAD
    return EventState.FAILED if "failed" in traces.mailboxes else None


def _under_way(traces: EventTraces) -> EventState:
    if "failed" in traces.deliveries and (traces.is_settled or not traces.is_claimed):
        return EventState.RETRYING
    if _is_all_done(traces, ("sent",), ("processed", "pending", "leased")):
        return EventState.WAITING
    is_silent = not (traces.deliveries or traces.mailboxes or traces.copies)
    return EventState.HANDLED if traces.is_settled and is_silent else EventState.SENDING


def _is_all_done(traces: EventTraces, deliveries: tuple[str, ...], mailboxes: tuple[str, ...]) -> bool:
    """Whether every place is known and in one of these states."""
    known = len(traces.deliveries) + len(traces.mailboxes)
    return (
        known >= max(1, traces.copies)
        and all(state in deliveries for state in traces.deliveries)
        and all(state in mailboxes for state in traces.mailboxes)
    )
