"""Seconds since the epoch that nobody can set: the wall clock as it was read once, and what has passed since.

Waits are told to other members as wall-clock times, so each member needs one. But a clock that is
set by ten minutes while records wait would make them early, or ten minutes late; and what a member
with such a clock writes into a lane would be early for the next owner. So a step of the clock is
not followed: elapsed time counts, which the system's time service corrects in rate, not in steps.
A member that started with a wrong clock keeps it until it is started again.
"""

import time


def _elapsed_s() -> float:
    """Seconds since some fixed moment, the machine's sleep included where the system can tell (Linux)."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class SteadyClock:
    """A clock that starts from the wall clock and is never set again."""

    def __init__(self) -> None:
        self._epoch = time.time() - _elapsed_s()

    def __call__(self) -> float:
        """Return seconds since the epoch."""
        return self._epoch + _elapsed_s()
