"""The life of an interaction as operators see it, put together from what each service notes of it. PURE.

    PENDING --a worker takes it--> PROCESSING --delivered--> COMPLETED
                                    |  ^  |
                              fails |  |  '--given up--> FAILED --replayed--> PROCESSING
                                    v  |
                                  RETRYING

Notes come late, twice and out of order: COMPLETED is never taken back, PENDING never comes again, and
of the others the newest counts.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class InteractionState(StrEnum):
    """Where an interaction is."""

    PENDING = "PENDING"
    """Accepted, and not yet taken by a worker."""
    PROCESSING = "PROCESSING"
    """A worker is at it, or has answered and the answer is on its way."""
    RETRYING = "RETRYING"
    """Failed, and will be tried again."""
    COMPLETED = "COMPLETED"
    """The person has the answer."""
    FAILED = "FAILED"
    """Given up; the person was told so if that was possible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What one service knows of one interaction at one moment."""

    id: str
    """Discord's interaction id."""
    state: InteractionState
    at: float
    """Seconds since the epoch, by the service's own clock."""
    attempts: int = 0
    reason: str | None = None
    """Why it is tried again, or failed; never anything the person wrote."""
    trace_id: str | None = None
    application_id: str | None = None
    kind: int | None = None
    """Discord's interaction type."""
    command: str | None = None
    guild_id: str | None = None
    accepted_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None


def supersedes(old: Note, new: Note) -> bool:
    """Whether ``new`` says how the interaction is now."""
    if old.state is InteractionState.COMPLETED or new.state is InteractionState.PENDING:
        return False
    return old.state is InteractionState.PENDING or new.at >= old.at


def merged(old: Note, new: Note) -> Note:
    """Both notes of one interaction as one; ``new`` was made later in the same process."""
    latest = new if supersedes(old, new) else old
    starts = [at for at in (old.started_at, new.started_at) if at is not None]
    return replace(
        latest,
        at=max(old.at, new.at),
        attempts=max(old.attempts, new.attempts),
        trace_id=old.trace_id or new.trace_id,
        application_id=old.application_id or new.application_id,
        kind=old.kind if old.kind is not None else new.kind,
        command=old.command or new.command,
        guild_id=old.guild_id or new.guild_id,
        accepted_at=old.accepted_at if old.accepted_at is not None else new.accepted_at,
        started_at=min(starts) if starts else None,
    )
