"""Discord's rate limits as its answers tell them: whether a call may be sent now, and if not, when.

    unknown ──first answer──▶ open(remaining) ──remaining 0──▶ closed until reset ──▶ next window
       ▲                          └────────429───────▶ closed until told ──┐
       └───────────────────────────────────────────────────────────────────┘
    a shared 429: every target of that channel closed, as told
    a global 429, or a block that names no time: everything closed

Two routes whose answers name the same bucket share it, for the same major parameter.

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


_Key = tuple[str, str]
"""The bucket's name (the route's until Discord names it), and the major parameter."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a call counts against: its route, such as ``PATCH @original``, and its major parameter."""

    route: str
    major: str
    channel: str = ""
    """The channel whose hidden limit it shares with others, where that is known."""
    guild: str = ""
    """Whose turn it is when slots are scarce; empty: a guild of its own."""
    scope: str = ""
    """Which global limit it counts against; empty: none, as calls with an interaction's token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an answer's X-RateLimit headers say."""

    limit: int
    remaining: int
    reset_after_s: float
    reset_at: float
    """By Discord's own clock: only to tell one window from the next."""
    bucket: str = ""
    """The bucket's public name, without its major parameter; empty when it is not told."""


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
    return Told(
        limit=int(limit),
        remaining=int(remaining),
        reset_after_s=reset_after_s,
        reset_at=reset_at,
        bucket=headers.get("x-ratelimit-bucket", ""),
    )


class Buckets:
    """All buckets of one process."""

    def __init__(self) -> None:
        self._buckets: dict[_Key, _Bucket] = {}
        self._names: dict[str, str] = {}
        """The bucket that a route's answers named last."""
        self._channels_closed_until: dict[str, float] = {}
        self._all_closed_until = 0.0
        self._blocks = 0

    @property
    def all_closed_until(self) -> float:
        """When everything opens again; in the past while nothing closes everything."""
        return self._all_closed_until

    def wait_s(self, target: Target, now: float) -> float:
        """Seconds until a call may be sent; 0 when it may be sent now."""
        bucket = self._buckets.get(self.key(target), _Bucket())
        channel = self._channels_closed_until.get(target.channel, 0.0)
        closed_s = max(self._all_closed_until, bucket.closed_until, channel) - now
        return closed_s if closed_s > 0 else _window_wait_s(bucket, now)

    def take(self, target: Target, now: float) -> float:
        """Count a call that is sent now and return 0; or count nothing and return the wait in seconds."""
        wait_s = self.wait_s(target, now)
        if wait_s > 0:
            return wait_s
        self._forget_idle(now)
        bucket = self._of(target)
        if bucket.limit is not None and now >= bucket.resets_at:
            # The next window begins; how long it lasts its first answer will tell.
            bucket.remaining = max(1, bucket.limit) - bucket.under_way
            bucket.resets_at = math.inf
        bucket.remaining -= 1
        bucket.under_way += 1
        return 0.0

    def opens_window(self, target: Target, now: float) -> bool:
        """Whether the next call begins a window: each moment it comes later is lost to its bucket."""
        bucket = self._buckets.get(self.key(target))
        return bucket is None or bucket.limit is None or now >= bucket.resets_at

    def answered(self, target: Target, told: Told | None, now: float) -> None:
        """Learn from the end of a call that was taken; ``told`` None: no answer, or one without limits."""
        if told is not None and told.bucket:
            self._named(target.route, told.bucket)
        bucket = self._of(target)
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
            self.close_all(until)
            return
        if verdict.scope == "shared" and target.channel:
            before = self._channels_closed_until.get(target.channel, 0.0)
            self._channels_closed_until[target.channel] = max(before, until)
        bucket = self._of(target)
        bucket.closed_until = max(bucket.closed_until, until)
        bucket.limit = None  # A shared limit is not in the headers: go on with one call at a time.

    def close_all(self, until: float) -> None:
        """Let nothing out before ``until``; a later end that is known stays."""
        self._all_closed_until = max(self._all_closed_until, until)

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

    def key(self, target: Target) -> _Key:
        """The bucket that a call falls into, as far as is known."""
        return self._names.get(target.route, target.route), target.major

    def _of(self, target: Target) -> _Bucket:
        return self._buckets.setdefault(self.key(target), _Bucket())

    def _named(self, route: str, name: str) -> None:
        """Discord calls the bucket of ``route`` ``name``: what is known of it moves there."""
        before = self._names.get(route, route)
        if before == name:
            return
        self._names[route] = name
        for key in [key for key in self._buckets if key[0] == before]:
            moved = self._buckets.pop(key)
            there = self._buckets.get((name, key[1]))
            self._buckets[name, key[1]] = moved if there is None else _merged(there, moved)

    def _forget_idle(self, now: float) -> None:
        if len(self._buckets) <= KEPT:
            return
        self._buckets = {
            key: bucket
            for key, bucket in self._buckets.items()
            if bucket.under_way or max(bucket.closed_until, bucket.resets_at) > now
        }
        self._channels_closed_until = {
            channel: until for channel, until in self._channels_closed_until.items() if until > now
        }


def _merged(one: _Bucket, other: _Bucket) -> _Bucket:
    """Two views of one bucket, the more careful of each."""
    limits = [bucket.limit for bucket in (one, other) if bucket.limit is not None]
    return _Bucket(
        limit=min(limits, default=None),
        remaining=min(one.remaining, other.remaining),
        resets_at=max(one.resets_at, other.resets_at),
        window=max(one.window, other.window),
        closed_until=max(one.closed_until, other.closed_until),
        under_way=one.under_way + other.under_way,
    )


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
