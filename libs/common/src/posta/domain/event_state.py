"""What became of a published event, told from the traces it left.

    ACCEPTED ──deliver_at is ahead──▶ SCHEDULED        a bot polls:   WAITING ──▶ SENT
       │  ▲                              │                               └──────▶ FAILED
       │  └───────── its time ───────────┘
       ├──cancelled──▶ CANCELLED
       ▼
    SENDING ──▶ SENT
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
    mailbox: str | None = None
    """State in the mailbox for bots: ``pending``, ``leased``, ``processed`` or ``failed``."""


_IN_MAILBOX = {"processed": EventState.SENT, "failed": EventState.FAILED}


def event_state(traces: EventTraces, *, now: datetime) -> EventState:
    """The state that these traces mean at ``now``."""
    if traces.is_cancelled:
        return EventState.CANCELLED
    if traces.mailbox is not None:
        return _IN_MAILBOX.get(traces.mailbox, EventState.WAITING)
    if traces.is_claimed or traces.deliveries or traces.dead_letters:
        return _begun(traces)
    is_ahead = traces.deliver_at is not None and now < traces.deliver_at
    return EventState.SCHEDULED if is_ahead else EventState.ACCEPTED


def _begun(traces: EventTraces) -> EventState:
    """Of several deliveries the one that is worst off says how the event is."""
    if traces.deliveries and all(state == "sent" for state in traces.deliveries):
        return EventState.SENT
    if traces.dead_letters:
        is_expired = all(reason == "expired" for reason in traces.dead_letters)
        return EventState.EXPIRED if is_expired else EventState.DEAD
    is_refused = "failed" in traces.deliveries and not traces.is_claimed
    return EventState.RETRYING if is_refused else EventState.SENDING
