"""What the Pull API takes and gives, as JSON."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from posta.postgres.pull_mailbox import Lent

LIMIT_MOST = 100
LEASE_S = 60.0
LEASE_MOST_S = 3600.0
_ERROR_MOST = 2000

Lease = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=64)]


Storable = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=500)]
"""Text that PostgreSQL can be asked about: it knows no U+0000."""

EventId = Annotated[str, Path(pattern=r"^[^\x00]*$", max_length=300)]
"""An event's id in an address."""


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class LentEvent(_Shape):
    """One event, lent until ``leased_until``."""

    id: str
    type: str
    """What happened, in the publisher's words."""
    source: str
    subject: str | None
    destination: str
    publisher: str
    occurred_at: str
    data: dict[str, Any]
    attempts: int
    """Times it was lent, this one included."""
    lease: str
    """Prove with it that the event is still yours."""
    leased_until: datetime


class LentEvents(_Shape):
    """The oldest events that nobody else has, oldest first."""

    events: list[LentEvent]
    count: int


class Done(_Shape):
    """Body of ``processed``; it may be left out."""

    lease: Lease | None = None
    """As it was lent. Without it whoever has the event is believed."""


class Failed(Done):
    """Body of ``failed``; it may be left out."""

    error: Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=_ERROR_MOST)] = (
        "no reason given"
    )
    """Why it could not be shown; for the operator."""


class Returned(_Shape):
    """What was noted."""

    id: str
    status: Literal["processed", "failed", "pending"]


class Stats(_Shape):
    """How the mailbox is, as far as this key reaches."""

    pending: int
    leased: int
    processed: int
    failed: int
    total: int
    by_source: dict[str, int]
    """Those that are pending or leased."""
    oldest_pending_s: float
    max_attempts: int


class CleanedUp(_Shape):
    """What was forgotten."""

    deleted: int
    days: int


class MailboxHealth(_Shape):
    """Whether events can be fetched."""

    status: Literal["ok", "unavailable"]
    database: Literal["ok", "away"]


class Wanted(_Shape):
    """Query of ``GET /discord/events``."""

    limit: int = Field(default=10, ge=1, le=LIMIT_MOST)
    max_attempts: int = Field(default=3, ge=1, le=3)
    """Only events that were lent fewer times."""
    lease_s: float = Field(default=LEASE_S, ge=1, le=LEASE_MOST_S)
    """How long they are yours, in seconds."""
    source: list[Storable] = Field(default_factory=list, max_length=50)
    """Only these sources; repeat it for several."""


def lent_event(lent: Lent) -> LentEvent:
    """``lent`` as JSON shows it."""
    return LentEvent(
        id=lent.event_id,
        type=lent.client_type,
        source=lent.source,
        subject=lent.subject,
        destination=lent.destination,
        publisher=lent.publisher,
        occurred_at=lent.occurred_at,
        data=lent.data,
        attempts=lent.attempts,
        lease=lent.lease,
        leased_until=lent.leased_until,
    )
