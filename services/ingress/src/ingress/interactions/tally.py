"""Counts interactions by the names that operators of the earlier systems watch."""

import time
from collections import deque

from ingress.interactions.answers import Notice
from posta.telemetry import names

_FAILURES = frozenset({Notice.BUSY.value, Notice.OVERLOADED.value})
"""What was lost to the person through us; a limit or a wrong command is an answer."""
_AVERAGED = 1000
_AVERAGED_S = 300.0


class Tally:
    """What has happened since the start, and what goes on now."""

    def __init__(self) -> None:
        self._times: deque[tuple[float, float]] = deque(maxlen=_AVERAGED)
        self._under_way = 0
        self._total = names.LEGACY_TOTAL.labels()
        self._lost = 0
        self._heard = 0
        names.LEGACY_RESPONSE_MS.set_function(self.mean_ms)
        names.LEGACY_WORKERS.set_function(lambda: self._under_way)
        names.LEGACY_FAILED.set_function(lambda: self._lost)
        names.LEGACY_SUCCESS.set_function(lambda: self._heard)

    def begun(self) -> None:
        """Count one interaction as being answered."""
        self._under_way += 1

    def left(self) -> None:
        """Count it no longer, answered or not."""
        self._under_way -= 1

    def ended(self, outcome: str) -> None:
        """Count an interaction by how it ended."""
        self._total.inc()
        if outcome in _FAILURES:
            self._lost += 1
        else:
            self._heard += 1

    def answered(self, took_s: float) -> None:
        """Take the time of one answer into the average."""
        self._times.append((time.monotonic(), took_s))

    def mean_ms(self) -> float:
        """The mean time to answer of the newest 1 000 within five minutes, in milliseconds."""
        since = time.monotonic() - _AVERAGED_S
        recent = [took_s for at, took_s in self._times if at >= since]
        return 1000 * sum(recent) / len(recent) if recent else 0.0
