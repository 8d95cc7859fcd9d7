"""Sliding windows of this process alone: what counts while the shared ones cannot be reached."""

from collections import OrderedDict
from collections.abc import Sequence

from ingress.limits.window import Hits, Quota, Request, take_all

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
        hits, ends = self._hits, self._ends
        for request in requests:
            for key, _, window_s, _ in request:
                if key in hits:
                    hits.move_to_end(key)
                    ends[key] = max(ends.get(key, 0.0), now + window_s)
        while len(hits) > self._keys_most:
            key, _ = hits.popitem(last=False)
            ends.pop(key, None)
        return verdicts

    def active(self, *, now: float) -> int:
        """How many keys had a hit within their window."""
        for key in [key for key, end in self._ends.items() if end <= now]:
            del self._ends[key]
            self._hits.pop(key, None)
        return len(self._hits)
