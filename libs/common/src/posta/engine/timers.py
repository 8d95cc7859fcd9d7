"""Calls back at wall-clock times, checking the clock again before each call.

asyncio sleeps on the monotonic clock while a not-before time is wall-clock time, so a sleep is cut
into steps of at most a second: a clock that was set while we slept is noticed within one. Loops count in
whole milliseconds and wake up to one early, so a shorter rest is slept as one: else it would be asked for
ten times over.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable

_STEP_S = 1.0
_LOOP_TICK_S = 0.001


class Timers:
    """A heap of due times behind one loop timer."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = itertools.count()
        self._handle: asyncio.TimerHandle | None = None

    def at(self, due: float, callback: Callable[[], None]) -> None:
        """Call ``callback`` once, not before ``due`` (seconds since the epoch)."""
        heapq.heappush(self._heap, (due, next(self._sequence), callback))
        if self._heap[0][0] == due:
            self._arm()

    def cancel_all(self) -> None:
        """Forget every callback."""
        self._heap.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        wait_s = min(max(0.0, self._heap[0][0] - self._clock()), _STEP_S)
        if 0 < wait_s < _LOOP_TICK_S:
            wait_s = _LOOP_TICK_S
        self._handle = asyncio.get_running_loop().call_later(wait_s, self._fire)

    def _fire(self) -> None:
        self._handle = None
        while self._heap and self._heap[0][0] <= self._clock():
            heapq.heappop(self._heap)[2]()
        if self._heap and self._handle is None:
            self._arm()
