"""How long a model usually takes: the 95th percentile of its last answers, for who asks a second one."""

from collections import deque

_KEPT = 200
_ENOUGH = 20


class Pace:
    """The times of a model's last answers, in seconds."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_KEPT)

    def note(self, seconds: float) -> None:
        """An answer took so long."""
        self._seconds.append(seconds)

    @property
    def p95_s(self) -> float | None:
        """95 of 100 took at most so long; None while too few are known."""
        if len(self._seconds) < _ENOUGH:
            return None
        ordered = sorted(self._seconds)
        return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
