"""Faults on demand: which calls of which part go wrong, and how. Pure: chance is given."""

from enum import StrEnum
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Service(StrEnum):
    """The parts that can be told to fail."""

    DISCORD = "discord"
    LLM = "llm"
    SMTP = "smtp"
    IMAP = "imap"


class Kind(StrEnum):
    """How a call goes wrong."""

    LATENCY = "latency"
    """The call waits ``seconds`` first, then goes on as usual."""
    TOO_MANY = "429"
    """Refused as rate limited, to come back after ``retry_after`` seconds."""
    SERVER_ERROR = "5xx"
    """Refused with ``status``; mail answers 421 (SMTP) or BYE (IMAP)."""
    RESET = "reset"
    """The connection is reset before anything is done."""
    HANG = "hang"
    """No answer for ``seconds`` (an hour unless given), then the connection is reset."""
    TRUNCATED = "truncated"
    """Done, but the connection ends in the middle of the answer."""
    LOST_ANSWER = "lost_answer"
    """Done, but the connection is reset instead of answering."""


_DEFAULT_SECONDS = {Kind.LATENCY: 2.0, Kind.HANG: 3600.0}


class Fault(BaseModel):
    """One fault to inject: for the next ``count`` matching calls, or a ``share`` of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    count: int | None = Field(None, ge=1)
    share: float | None = Field(None, gt=0, le=1)
    seconds: float | None = Field(None, ge=0, le=3600)
    status: int = Field(503, ge=400, le=599)
    retry_after: float = Field(1.0, ge=0, le=86_400)
    scope: Literal["user", "global", "shared"] = "user"
    at: Literal["call", "connect"] = "call"
    """Mail only: strike at a call (a message, an IMAP command) or at the connection."""
    match: str | None = None
    """Only calls whose method, path or body contains this."""

    @model_validator(mode="after")
    def _for_how_many(self) -> Self:
        if self.count is not None and self.share is not None:
            raise ValueError("give either count (the next N calls) or share (0..1), not both")
        return self

    @property
    def wait_s(self) -> float:
        """The given seconds, or the kind's own."""
        return _DEFAULT_SECONDS.get(self.kind, 0.0) if self.seconds is None else self.seconds


class Faults:
    """The faults set for each part, in the order they were set; the first that applies strikes."""

    def __init__(self) -> None:
        self._set: dict[Service, list[tuple[Fault, int | None]]] = {s: [] for s in Service}
        self.version = 0

    def put(self, service: Service, faults: list[Fault]) -> None:
        """Replace a part's faults."""
        self._set[service] = [(fault, fault.count) for fault in faults]
        self.version += 1

    def clear(self) -> None:
        """Make everything work again."""
        for service in Service:
            self.put(service, [])

    def view(self, service: Service) -> list[dict[str, object]]:
        """Return a part's faults with how many calls each still strikes (null: no end)."""
        return [
            fault.model_dump(mode="json", exclude_none=True) | {"left": left}
            for fault, left in self._set[service]
        ]

    def decide(self, service: Service, subject: str, *, chance: float, at: str = "call") -> Fault | None:
        """Return the fault that strikes this call and spend it.

        subject is what ``match`` is looked for in; chance is a random number in [0, 1).
        """
        for index, (fault, left) in enumerate(self._set[service]):
            if fault.at != at or (fault.match and fault.match not in subject):
                continue
            if fault.share is not None and chance >= fault.share:
                continue
            if left is not None:
                self._spend(service, index, fault, left)
            return fault
        return None

    def _spend(self, service: Service, index: int, fault: Fault, left: int) -> None:
        if left > 1:
            self._set[service][index] = (fault, left - 1)
        else:
            del self._set[service][index]
        self.version += 1
