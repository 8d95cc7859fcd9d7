"""Discord's rate limits as its answers tell them: whether a call may be sent now, and if not, when.

    unknown ──first answer──▶ open(remaining) ──remaining 0──▶ closed until reset ──▶ next window
       ▲                          └────────429───────▶ closed until told ──┐
       └───────────────────────────────────────────────────────────────────┘
    a global 429, or a block that names no time: everything closed

Rule: nothing is sent into a closed bucket. Calls under way count against what is left, and a bucket
nothing is known of lets one call through at a time, because its answer is what tells the limit.
Pure: ``now`` is given, in seconds of a clock that never goes back.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from notifier.discord.verdict import Closed, seconds

BLOCK_FIRST_S = 60.0
BLOCK_MOST_S = 3600.0
PROBE_WAIT_S = 0.25
"""How long to wait for the answer that tells a limit before asking again."""
KEPT = 10_000
"""Idle buckets are forgotten when there are more than this: each interaction has one of its own."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a call counts against: its route, such as ``PATCH @original``, and its major parameter."""

    route: str
    major: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an answer's X-RateLimit headers say."""

    limit: int
    remaining: int
    reset_after_s: float
    reset_at: float
    """By Discord's own clock: only to tell one window from the next."""


@dataclass(slots=True)
class _Bucket:
    limit: int | None = None
    """None: not known."""
    remaining: int = 0
    resets_at: float = 0.0
    """Infinite from the first call of a window to its first answer."""
    window: float = 0.0
    """``reset_at`` of the newest window that was told."""
    closed_until: float = 0.0
    under_way: int = 0


def read_told(headers: Mapping[str, str]) -> Told | None:
    """The X-RateLimit headers (lower-case names); None when they are not all there, or senseless."""
    names = ("limit", "remaining", "reset-after", "reset")
    values = [seconds(headers.get(f"x-ratelimit-{name}")) for name in names]
    if any(value is None for value in values):
        return None
    limit, remaining, reset_after_s, reset_at = (value or 0.0 for value in values)
    return Told(limit=int(limit), remaining=int(remaining), reset_after_s=reset_after_s, reset_at=reset_at)


class Buckets:
    """All buckets of one process."""

    def __init__(self) -> None:
        self._buckets: dict[Target, _Bucket] = {}
        self._all_closed_until = 0.0
        self._blocks = 0

    def wait_s(self, target: Target, now: float) -> float:
        """Seconds until a call may be sent; 0 when it may be sent now."""
        bucket = self._buckets.get(target, _Bucket())
        closed_s = max(self._all_closed_until, bucket.closed_until) - now
        return closed_s if closed_s > 0 else _window_wait_s(bucket, now)

    def take(self, target: Target, now: float) -> float:
        """Count a call that is sent now and return 0; or count nothing and return the wait in seconds."""
        wait_s = self.wait_s(target, now)
        if wait_s > 0:
            return wait_s
        self._forget_idle(now)
        bucket = self._buckets.setdefault(target, _Bucket())
        if bucket.limit is not None and now >= bucket.resets_at:
            # The next window begins; how long it lasts its first answer will tell.
            bucket.remaining = max(1, bucket.limit) - bucket.under_way
            bucket.resets_at = math.inf
        bucket.remaining -= 1
        bucket.under_way += 1
        return 0.0

    def answered(self, target: Target, told: Told | None, now: float) -> None:
        """Learn from the end of a call that was taken; ``told`` None: no answer, or one without limits."""
        bucket = self._buckets.setdefault(target, _Bucket())
        bucket.under_way = max(0, bucket.under_way - 1)
        is_new = told is not None and told.reset_at > bucket.window
        if told is not None and (is_new or bucket.resets_at < math.inf):
            _learn(bucket, told, now, is_new=is_new)
        elif bucket.resets_at == math.inf and bucket.under_way == 0:
            # No answer told of the window it began: find out again.
            bucket.limit, bucket.resets_at = None, 0.0

    def closed(self, target: Target, verdict: Closed, now: float) -> None:
        """Obey a 429."""
        until = now + verdict.wait_s
        if verdict.scope == "global":
            self._all_closed_until = max(self._all_closed_until, until)
            return
        bucket = self._buckets.setdefault(target, _Bucket())
        bucket.closed_until = max(bucket.closed_until, until)
        bucket.limit = None  # A shared limit is not in the headers: go on with one call at a time.

    def blocked(self, now: float) -> float:
        """Close everything after a block that names no time; returns for how many seconds.

        60 s, doubled each time until a call gets through, at most an hour.
        """
        if now >= self._all_closed_until:
            cool_down_s = min(BLOCK_MOST_S, BLOCK_FIRST_S * 2.0**self._blocks)
            self._blocks = min(self._blocks + 1, 16)
            self._all_closed_until = now + cool_down_s
        return self._all_closed_until - now

    def got_through(self) -> None:
        """Discord answered a call for itself: no block is on."""
        self._blocks = 0

    def _forget_idle(self, now: float) -> None:
        if len(self._buckets) > KEPT:
            self._buckets = {
                target: bucket
                for target, bucket in self._buckets.items()
                if bucket.under_way or max(bucket.closed_until, bucket.resets_at) > now
            }


def _window_wait_s(bucket: _Bucket, now: float) -> float:
    if bucket.limit is None:
        return PROBE_WAIT_S if bucket.under_way else 0.0
    if now >= bucket.resets_at:
        return 0.0 if bucket.under_way < max(1, bucket.limit) else PROBE_WAIT_S
    if bucket.remaining > 0:
        return 0.0
    return PROBE_WAIT_S if bucket.resets_at == math.inf else bucket.resets_at - now


def _learn(bucket: _Bucket, told: Told, now: float, *, is_new: bool) -> None:
    """Take in what was told; answers of one window may come in any order, so the least counts."""
    left = told.remaining - bucket.under_way
    is_first_heard = bucket.limit is None
    # In the window that our own call began, what we have taken since counts, too.
    is_all_told = is_first_heard or (is_new and bucket.resets_at < math.inf)
    bucket.remaining = left if is_all_told else min(left, bucket.remaining)
    if is_new or is_first_heard:
        bucket.resets_at = now + told.reset_after_s
        bucket.window = max(bucket.window, told.reset_at)
    bucket.limit = told.limit
