"""Slots under the global limit: as many calls within any second as this process has slots.

    free ──take──▶ under way ──answered──▶ cooling for HOLD_S ──▶ free

Discord counts a call at some moment between our sending it and its answer. A slot that is used
again only a whole window after its last answer can therefore never hold two calls of one window,
wherever Discord's windows begin and however long a call is on its way.
Pure: ``now`` is given, in seconds of a clock that never goes back.
"""

import math
from collections import deque

WINDOW_S = 1.0
"""Discord states its global limit per second."""
HOLD_S = WINDOW_S + 0.002
"""The rest is for two clocks that do not run alike."""


class Slots:
    """The slots of one process: its share of the limit, for as long as it is sure of it."""

    def __init__(self, share: int = 0, *, valid_until: float = 0.0) -> None:
        self.share = share
        self.valid_until = valid_until
        self.peak = 0
        """Most slots in use at once since ``read_peak``."""
        self._under_way = 0
        self._cooling: deque[float] = deque()

    def in_use(self, now: float) -> int:
        """Slots that are under way or cooling."""
        while self._cooling and self._cooling[0] <= now:
            self._cooling.popleft()
        return self._under_way + len(self._cooling)

    def wait_s(self, now: float) -> float:
        """Seconds until a slot is free; 0: now; infinite: not before a call ends or the share grows."""
        if now >= self.valid_until:
            return math.inf
        missing = self.in_use(now) - self.share + 1
        if missing <= 0:
            return 0.0
        return self._cooling[missing - 1] - now if missing <= len(self._cooling) else math.inf

    def take(self, now: float) -> bool:
        """Take a slot for a call that is sent now; False when none is free."""
        if self.wait_s(now) > 0:
            return False
        self._under_way += 1
        self.peak = max(self.peak, self.in_use(now))
        return True

    def answered(self, now: float) -> None:
        """The call ended, with or without an answer: its slot cools down."""
        self._under_way -= 1
        self._cooling.append(now + HOLD_S)

    def unused(self) -> None:
        """The call was not sent: its slot is free."""
        self._under_way -= 1

    def read_peak(self, now: float) -> int:
        """The most in use since this was asked last."""
        peak, self.peak = self.peak, self.in_use(now)
        return max(peak, self.peak)
