"""Log sampling: of a flood of like lines the first of each second are written, then one in a hundred.

A provider that is away fails hundreds of questions a second, and each would write its lines: the disk fills,
the rest drowns, and the process spends more on lines than on work. The line that is written next says how
many like it were ``omitted``; metrics count them all. Errors are always written.
"""

import time
from collections.abc import Callable
from typing import Any

import structlog

_ONE_IN = 100
_ALWAYS = frozenset({"error", "exception", "critical"})


class _Flood:
    """Lines of one event name, within a second."""

    __slots__ = ("omitted", "second", "seen")

    def __init__(self) -> None:
        self.second = 0
        self.seen = 0
        self.omitted = 0


class Sampling:
    """A structlog processor; it comes first, so that a line that is left out costs next to nothing."""

    def __init__(self, per_s: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """``per_s``: lines of one event name that are written in full each second."""
        self._per_s = per_s
        self._monotonic = monotonic
        self._floods: dict[str, _Flood] = {}

    def __call__(self, _logger: Any, method: str, event: structlog.typing.EventDict) -> Any:
        """Let the line pass, with what was ``omitted`` before it. Raises ``DropEvent`` to leave it out."""
        if method in _ALWAYS:
            return event
        name = event["event"]
        flood = self._floods.get(name)
        if flood is None:
            flood = self._floods[name] = _Flood()
        second = int(self._monotonic())
        if second != flood.second:
            flood.second, flood.seen = second, 0
        flood.seen += 1
        over = flood.seen - self._per_s
        if over > 0 and over % _ONE_IN:
            flood.omitted += 1
            raise structlog.DropEvent
        if flood.omitted:
            event["omitted"], flood.omitted = flood.omitted, 0
        return event
