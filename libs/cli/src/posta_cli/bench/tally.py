"""Counts which records a contender has handled, and how long and how much CPU that took.

The clock runs from the start of the first handling to the end of the last, so a process's start is
not in it. Doubles are told apart from records, so that nobody finishes by doing one thing twice.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from posta_cli.bench.memory import peak_mib


class Tally:
    """One bit per record of the topic; ``done`` is called once, when all are handled."""

    def __init__(self, ends: Sequence[int], *, handler_s: float, done: Callable[[], None]) -> None:
        self._marks = [bytearray(end) for end in ends]
        self._total = sum(ends)
        self._handler_s = handler_s
        self._done = done
        self._calls = 0
        self._look_at = 1
        self._first_at = 0.0
        self._first = 0.0
        self._last = 0.0
        self._first_cpu = 0.0
        self._last_cpu = 0.0

    def note(self, partition: int, offset: int) -> None:
        """A handler has returned for this record. Cheap: it is part of every contender's time."""
        self._marks[partition][offset] = 1
        self._calls += 1
        if self._calls == self._look_at:
            self._look()

    @property
    def handled(self) -> int:
        """How many different records have been handled."""
        return sum(marks.count(1) for marks in self._marks)

    def result(self) -> Mapping[str, Any]:
        """What every contender reports."""
        handled = self.handled
        if handled < self._total:
            self._stamp()
        return {
            "handled": handled,
            "calls": self._calls,
            "complete": handled == self._total,
            "first_at": self._first_at,
            "seconds": self._last - self._first,
            "cpu_s": self._last_cpu - self._first_cpu,
            "peak_mib": peak_mib(),
        }

    def _look(self) -> None:
        if self._calls == 1:
            self._first_at = time.time()
            self._first = time.monotonic() - self._handler_s
            self._first_cpu = time.process_time()
        missing = self._total - self.handled
        self._look_at = self._calls + max(1, missing)
        if missing == 0:
            self._stamp()
            self._done()

    def _stamp(self) -> None:
        self._last = time.monotonic()
        self._last_cpu = time.process_time()
