"""Sliding windows of this process alone: what counts while the shared ones cannot be reached."""

from collections import OrderedDict
from collections.abc import Sequence

from ingress.limits.window import Hits, Quota, Request, longest_window_s, take_all

_KEYS_MOST = 50_000


class MemoryWindows:
    """Bounded: the keys that were idle longest are forgotten first."""

    def __init__(self, *, keys_most: int = _KEYS_MOST) -> None:
        self._hits: OrderedDict[str, Hits] = OrderedDict()
        self._ends: dict[str, float] = {}
        self._keys_most = keys_most

    def take(self, requests: Sequence[Request], *, now: float) -> list[Quota | None]:
        """Count each request, or name the quota that refuses it."""
        verdicts = take_all(requests, self._hits, now)
        for key, window_s in longest_window_s(requests).items():
            if key in self._hits:
                self._hits.move_to_end(key)
                self._ends[key] = now + window_s
        while len(self._hits) > self._keys_most:
            key, _ = self._hits.popitem(last=False)
            self._ends.pop(key, None)
        return verdicts

    def active(self, *, now: float) -> int:
        """How many keys had a hit within their window."""
        for key in [key for key, end in self._ends.items() if end <= now]:
            del self._ends[key]
            self._hits.pop(key, None)
        return len(self._hits)
