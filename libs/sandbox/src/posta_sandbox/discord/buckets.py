"""Discord's rate limits: fixed windows that open with their first call. Pure: now is given."""

import hashlib
from collections import Counter
from dataclasses import dataclass

BUCKETS_KEPT = 10_000
"""Expired windows are dropped when there are more than this many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a bucket says about one call, and what its headers tell."""

    allowed: bool
    limit: int
    remaining: int
    reset_at: float
    """Seconds since the epoch."""
    reset_after_s: float
    bucket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How full a bucket is, seen without counting a call."""

    limit: int
    """0: it lets everything through."""
    remaining: int
    opens_at: float | None
    """Seconds since the epoch at which a closed one opens; None: it is open."""
    refused: int
    """Calls that came while it was closed."""


class Buckets:
    """Windows by name and key: the name makes the bucket's public hash, the key is its owner."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}
        self._refused: Counter[tuple[str, str]] = Counter()

    def take(self, name: str, key: str, *, limit: int, window_s: float, now: float) -> Verdict:
        """Count a call, unless the window is full; a limit of 0 lets everything through."""
        end, used = self._windows.get((name, key), (0.0, 0))
        if now >= end:
            end, used = now + window_s, 0
        allowed = limit == 0 or used < limit
        used += 1 if allowed else 0
        if not allowed:
            self._refused[name, key] += 1
        self._windows[name, key] = (end, used)
        self._forget(now)
        return Verdict(
            allowed=allowed,
            limit=limit or 1_000_000,
            remaining=max(limit - used, 0) if limit else 999_999,
            reset_at=end,
            reset_after_s=max(end - now, 0.0),
            bucket=hashlib.sha256(name.encode()).hexdigest()[:32],
        )

    def level(self, name: str, key: str, *, limit: int, now: float) -> Level:
        """How full the bucket is."""
        end, used = self._windows.get((name, key), (0.0, 0))
        remaining = max(limit - used, 0) if now < end else limit
        return Level(
            limit=limit,
            remaining=remaining,
            opens_at=end if limit and not remaining else None,
            refused=self._refused[name, key],
        )

    def clear(self) -> None:
        """Open all windows, and forget who was refused."""
        self._windows.clear()
        self._refused.clear()

    def _forget(self, now: float) -> None:
        if len(self._windows) > BUCKETS_KEPT:
            self._windows = {k: w for k, w in self._windows.items() if w[0] > now}
            self._refused = Counter({k: n for k, n in self._refused.items() if k in self._windows})
