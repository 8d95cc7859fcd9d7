"""Where dead letters are kept: what the console asks of PostgreSQL, and of the fake in tests."""

from dataclasses import dataclass
from typing import Protocol

from dlq_admin.dead_letter import (
    Alike,
    Bytes,
    DeadLetter,
    Decided,
    Decision,
    Filter,
    Reading,
    RequestKey,
    Summary,
)

BULK_MOST = 1000
"""Most dead letters one request may replay or discard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which open dead letters a request means: those with ``ids``, or the oldest that a filter fits."""

    ids: tuple[int, ...] = ()
    filter: Filter | None = None
    limit: int = BULK_MOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A dead letter leased for publishing."""

    id: int
    reading: Reading
    record: Bytes
    from_scratch: bool = False
    """Whether its question is to be answered anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How much waits for a decision."""

    open_by_group: dict[str, int]
    oldest_s: float
    """Seconds since the oldest open dead letter was indexed; 0 when none is open."""


class Store(Protocol):
    """Every method raises ``Unavailable`` when the database is away."""

    async def add(self, reading: Reading, record: Bytes) -> bool:
        """Index a dead letter; False when it was indexed before."""
        ...

    async def find(self, wanted: Filter, *, before: int | None, limit: int) -> list[Summary]:
        """The newest that fit, with ids below ``before``."""
        ...

    async def get(self, dead_letter_id: int) -> DeadLetter | None:
        """One with its record, audit trail and history; None when there is none."""
        ...

    async def alike(self, wanted: Filter, *, limit: int) -> list[Alike]:
        """Those that fit, grouped by group and fingerprint, the largest group first."""
        ...

    async def claim(
        self, chosen: Chosen, decision: Decision, *, lease_s: float, request: RequestKey | None = None
    ) -> Decided:
        """Move open dead letters to ``replaying``, leased for ``lease_s``, each with its audit entry.

        With a ``request`` known from before nothing is done and the ids of then are returned.
        Raises ``KeyReused`` when it was known with another content.
        """
        ...

    async def discard(self, chosen: Chosen, decision: Decision) -> Decided:
        """Move open dead letters to ``discarded``, each with its audit entry; keys they hold are released."""
        ...

    async def release(self, chosen: Chosen, decision: Decision) -> Decided:
        """Note that the keys of dead letters are to be released, each with its audit entry."""
        ...

    async def lease_releases(self, *, limit: int, lease_s: float) -> list[Claimed]:
        """Lease dead letters whose keys are to be released: those whose lease is over."""
        ...

    async def released(self, dead_letter_id: int, *, outcome: str) -> bool:
        """The release ended so, with its audit entry; False when it had ended before."""
        ...

    async def lease(self, *, ids: tuple[int, ...] | None, limit: int, lease_s: float) -> list[Claimed]:
        """Lease ``replaying`` ones for publishing: those with ``ids``, or those whose lease is over."""
        ...

    async def finish(self, dead_letter_id: int) -> bool:
        """``replaying`` to ``replayed``, with its audit entry; False when it was finished before."""
        ...

    async def reopen(self, dead_letter_id: int, *, why: str) -> bool:
        """``replaying`` back to ``open``, with its audit entry; False when it was not replaying."""
        ...

    async def backlog(self) -> Backlog:
        """What waits for a decision."""
        ...

    async def forget_requests(self, *, older_than_s: float) -> None:
        """Drop the memory of ``Idempotency-Key`` values this old."""
        ...
