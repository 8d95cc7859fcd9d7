"""A member's wall clock as a test sets it: wrong from the start, or jumping while it runs."""

import time
from pathlib import Path


class SkewedClock:
    """Seconds since the epoch, plus ``skew_s``, plus what stands in the file ``jump`` once it exists."""

    def __init__(self, *, skew_s: float, jump: str) -> None:
        self._skew_s = skew_s
        self._jump = Path(jump) if jump else None

    def __call__(self) -> float:
        if self._jump is not None and self._jump.exists():
            self._skew_s += float(self._jump.read_text())
            self._jump = None
        return time.time() + self._skew_s
