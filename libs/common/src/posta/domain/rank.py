"""How urgent a record is: what its line, and whoever gives out the turns, may sort by."""

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """Times are in seconds since the epoch; the lower goes first."""

    due: float = 0.0
    """Among the records of its line."""
    turn: float = 0.0
    """Among the lines of all partitions of its topic, once it is the first of its own."""
    within: Hashable | None = None
    """What it must stay in order with; None: nothing."""


NO_RANK = Rank()
