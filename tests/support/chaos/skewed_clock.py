"""A member whose machine's wall clock is wrong: from its start, or because it jumps while it runs.

``time.time`` of the whole process is moved by ``POSTA_CHAOS__CLOCK_SKEW_S`` seconds from its start, and
once the file ``POSTA_CHAOS__CLOCK_JUMP`` exists by as many as stand in it. Monotonic time is left
alone, as a machine whose clock is set leaves it alone.
"""

import os
import time
from pathlib import Path

_true_time = time.time


class SkewedClock:
    """Seconds since the epoch, as the wrong clock shows them."""

    def __init__(self, *, skew_s: float, jump: Path | None) -> None:
        self._skew_s = skew_s
        self._jump = jump

    def __call__(self) -> float:
        if self._jump is not None and self._jump.exists():
            self._skew_s += float(self._jump.read_text())
            self._jump = None
        return _true_time() + self._skew_s


def install() -> None:
    """Put the wrong clock in the true one's place, if this member is to have one."""
    skew_s = float(os.environ.get("POSTA_CHAOS__CLOCK_SKEW_S", "0"))
    jump = os.environ.get("POSTA_CHAOS__CLOCK_JUMP")
    if skew_s or jump:
        time.time = SkewedClock(skew_s=skew_s, jump=Path(jump) if jump else None)
