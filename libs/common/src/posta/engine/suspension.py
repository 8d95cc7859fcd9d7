"""Notices that the whole process stood still for longer than its session: SIGSTOP, a paused machine.

    tick ──every 0.5 s──▶ tick ──nothing for longer than the session──▶ what was fetched is not started

Then the group has given our partitions to others and we have not heard of it yet: what a fetch brings
in the first moment belongs to their lines, which are not ours. Of what is in memory no such care is
needed: it is in the order of its key, and at worst done twice.
"""

import asyncio
import time

_TICK_S = 0.5


class Suspended(Exception):
    """The process stood still for too long; a new assignment has to begin."""


class Suspension:
    """The watch of one consumer's life; ``limit_s`` is the session timeout."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._ticked = time.monotonic()
        self._has_happened = False
        self._next: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Watch from now on; what was before is forgotten."""
        self.end()
        self._has_happened = False
        self._ticked = time.monotonic()
        self._next = asyncio.get_running_loop().call_later(_TICK_S, self._tick)

    def end(self) -> None:
        """Watch no more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def check(self) -> None:
        """Raises ``Suspended`` when the process has stood still for too long since ``begin``."""
        still_s = time.monotonic() - self._ticked
        if self._has_happened or still_s > self._limit_s:
            raise Suspended(f"the process stood still for longer than its session of {self._limit_s:g} s")

    def _tick(self) -> None:
        now = time.monotonic()
        self._has_happened = self._has_happened or now - self._ticked > self._limit_s
        self._ticked = now
        self._next = asyncio.get_running_loop().call_later(_TICK_S, self._tick)
