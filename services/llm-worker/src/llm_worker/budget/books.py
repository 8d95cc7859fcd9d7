"""The store of books: one per bucket, held by one visitor at a time."""

from dataclasses import dataclass
from typing import Protocol

from llm_worker.budget.visit import Denied, Grant, Rules, View, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class LastVisit:
    """What a worker remembers of its last visit, to tell the database's clock from a set one."""

    at: float
    """The group's time."""
    begun: float
    """Its own monotonic clock before it asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visited:
    """How a visit ended."""

    answer: Grant | Denied | None
    view: View
    last: LastVisit


class Books(Protocol):
    """See the module."""

    async def visit(self, bucket: str, visit: Visit, rules: Rules, *, last: LastVisit | None) -> Visited:
        """Enter and answer ``visit``. Raises ``Unavailable`` when the store is away: nothing was granted."""
        ...
