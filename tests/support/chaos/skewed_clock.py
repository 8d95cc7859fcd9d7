"""A member whose machine's wall clock is wrong: from its start, or because it jumps while it runs.

Importing this moves ``time.time`` of the whole process by ``POSTA_CHAOS__CLOCK_SKEW_S`` seconds, and
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


def _install() -> None:
    skew_s = float(os.environ.get("POSTA_CHAOS__CLOCK_SKEW_S", "0"))
    jump = os.environ.get("POSTA_CHAOS__CLOCK_JUMP")
    if skew_s or jump:
        time.time = SkewedClock(skew_s=skew_s, jump=Path(jump) if jump else None)


_install()
