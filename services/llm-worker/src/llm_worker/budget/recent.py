"""How many calls a purse gave out lately, so that it can lease the next ones before they are asked for."""

import math


class Recent:
    """Calls of about the last ``over_s`` seconds: each counts less and less."""

    __slots__ = ("_at", "_count")

    def __init__(self) -> None:
        self._count = 0.0
        self._at = -math.inf

    def note(self, now: float, *, over_s: float) -> None:
        """One call more, at ``now`` (monotonic)."""
        self._count = self.count(now, over_s=over_s) + 1.0
        self._at = now

    def count(self, now: float, *, over_s: float) -> float:
        """How many there were; at a steady pace, as many as ``over_s`` seconds bring."""
        return self._count * math.exp((self._at - now) / over_s)
