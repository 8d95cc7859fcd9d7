"""What became of a call to ``publish``: a value to look at, and an error only for those who ask for one."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where the event is when the call returns."""

    SENT = "sent"
    """Posta has it and will deliver it."""
    KEPT = "kept"
    """On this machine's disk; the next call, the background thread or ``posta-publish drain`` sends it."""
    REFUSED = "refused"
    """Posta will never take it as it is; kept aside for a person to look at, where there is room."""
    LOST = "lost"
    """Neither sent nor kept: the spool is full, or cannot be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """How one event fared."""

    id: str
    """The event's own id. Sending it again with the same id and source is the same event."""
    state: State
    reason: str = ""
    """Why it is not ``SENT``."""
    posta_id: str | None = None
    """Posta's id, for ``GET /v1/events/{id}``; known when it is ``SENT``."""

    @property
    def is_safe(self) -> bool:
        """Whether the event is sent or will be."""
        return self.state in (State.SENT, State.KEPT)


class NotPublished(Exception):
    """Raised, with ``strict=True`` only, when an event is not safe; ``receipt`` says why."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(f"event {receipt.id} is {receipt.state}: {receipt.reason}")
        self.receipt = receipt
