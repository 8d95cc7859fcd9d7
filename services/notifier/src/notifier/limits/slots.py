"""Slots under the global limit: as many calls within any second as this process has slots.

    free ──take──▶ under way ──answered──▶ cooling for HOLD_S ──▶ free

Discord counts a call at some moment between our sending it and its answer. A slot that is used
again only a whole window after its last answer can therefore never hold two calls of one window,
wherever Discord's windows begin and however long a call is on its way. Some time every call takes:
of the shortest way there and back within ``BELIEVED_AFTER_S`` and more, most need not be waited for twice.
Pure: ``now`` is given, in seconds of a clock that never goes back.
"""

import heapq
import math
from collections import deque
from dataclasses import dataclass

WINDOW_S = 1.0
"""Discord states its global limit per second."""
HOLD_S = WINDOW_S + 0.002
"""The rest is for two clocks that do not run alike."""
SPAN_S = 60.0
SPANS = 10
"""The shortest way is that of so many spans: minutes in which every call is slow do not lengthen it."""
BELIEVED_AFTER_S = 120.0
BELIEVED_AFTER_CALLS = 20
"""Before that nothing of it counts: a start, or a machine that is busy for a while, makes every call slow."""
NOISE_S = 0.03
"""What a busy machine may add to every call all the time: so much of the shortest way counts for nothing."""
CREDIT = 0.8
"""How much of the rest counts: among few calls none may have had the shortest way in both directions."""


@dataclass(slots=True, kw_only=True)
class _Span:
    """The calls that ended within ``SPAN_S``."""

    began: float
    shortest_s: float
    calls: int = 1


class Slots:
    """The slots of one process: its share of the limit, for as long as it is sure of it."""

    def __init__(self, share: int = 0, *, valid_until: float = 0.0) -> None:
        self.share = share
        self.valid_until = valid_until
        self.peak = 0
        """Most slots in use at once since ``read_peak``."""
        self._under_way = 0
        self._cooling: list[float] = []
        self._ways: deque[_Span] = deque(maxlen=SPANS)
        self._learns_since: float | None = None

    def in_use(self, now: float) -> int:
        """Slots that are under way or cooling."""
        while self._cooling and self._cooling[0] <= now:
            heapq.heappop(self._cooling)
        return self._under_way + len(self._cooling)

    def wait_s(self, now: float) -> float:
        """Seconds until a slot is free; 0: now; infinite: not before a call ends or the share grows."""
        if now >= self.valid_until:
            return math.inf
        missing = self.in_use(now) - self.share + 1
        if missing <= 0:
            return 0.0
        if missing > len(self._cooling):
            return math.inf
        return heapq.nsmallest(missing, self._cooling)[-1] - now

    def take(self, now: float) -> bool:
        """Take a slot for a call that is sent now; False when none is free."""
        if self.wait_s(now) > 0:
            return False
        self._under_way += 1
        self.peak = max(self.peak, self.in_use(now))
        return True

    def answered(self, now: float, *, took_s: float | None = None) -> None:
        """The call ended: its slot cools down. ``took_s`` from sending to the answer; None: no answer."""
        self._under_way -= 1
        if took_s is not None:
            self._learn(now, took_s)
        heapq.heappush(self._cooling, now + HOLD_S - self._credit_s(now))

    def _learn(self, now: float, took_s: float) -> None:
        if self._learns_since is None:
            self._learns_since = now
        if not self._ways or now >= self._ways[-1].began + SPAN_S:
            self._ways.append(_Span(began=now, shortest_s=took_s))
        else:
            span = self._ways[-1]
            span.shortest_s, span.calls = min(span.shortest_s, took_s), span.calls + 1

    def _credit_s(self, now: float) -> float:
        if self._learns_since is None or now < self._learns_since + BELIEVED_AFTER_S:
            return 0.0
        if sum(span.calls for span in self._ways) < BELIEVED_AFTER_CALLS:
            return 0.0
        return CREDIT * max(0.0, min(span.shortest_s for span in self._ways) - NOISE_S)

    def unused(self) -> None:
        """The call was not sent: its slot is free."""
        self._under_way -= 1

    def read_peak(self, now: float) -> int:
        """The most in use since this was asked last."""
        peak, self.peak = self.peak, self.in_use(now)
        return max(peak, self.peak)
