"""The engine's time: seconds since the epoch that no setting of the machine's clock moves.

Not-before times travel between machines, so they are wall-clock times; but a wall clock that jumps
ten minutes ahead would make every waiting record due at once, and one that jumps back would hold
them all up. So the wall clock is read once, at the start, and from then on time goes by the
monotonic one (on Linux the one that also counts while the machine is suspended).

A jump is logged, and shown by ``posta_clock_offset_seconds``. If it was the *new* time that is right,
a restart takes it over.
"""

import sys
import time
from collections.abc import Callable

from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_JUMP_S = 1.0
"""Less than this is the slow correction that time servers make."""


def _uptime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


class SteadyClock:
    """Calling it gives seconds since the epoch; ``look`` notices what became of the wall clock."""

    def __init__(
        self, *, wall: Callable[[], float] = time.time, uptime: Callable[[], float] = _uptime
    ) -> None:
        self._wall = wall
        self._uptime = uptime
        self._epoch = wall() - uptime()
        self._offset_s = 0.0

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self._epoch + self._uptime()

    def look(self) -> None:
        """Tell of a jump of the wall clock since the last look."""
        offset_s = self._wall() - self()
        jump_s, self._offset_s = offset_s - self._offset_s, offset_s
        names.CLOCK_OFFSET.set(round(offset_s, 3))
        if abs(jump_s) >= _JUMP_S:
            log.error(
                "clock_was_set",
                by_s=round(jump_s, 1),
                offset_s=round(offset_s, 1),
                advice="the engine goes on by its own time; if the clock is right now, restart the service",
            )
