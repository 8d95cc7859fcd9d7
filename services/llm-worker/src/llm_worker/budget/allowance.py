"""What an account allows, and how use is counted so that no sliding window ever holds more.

A use at time *t* counts in a window of length W until *t* + W + slack, rounded up to the window's next
step. So in every interval of length W, wherever it begins, the uses are at most the limit. That also
satisfies fixed windows and token buckets of the same size, however the provider measures.

    slack   1 % of the window, between 0.15 and 2 s, unless configured: how much the way there may vary
    step    1/512 of the window: how finely ends are kept
"""

import math
from dataclasses import dataclass

DAY_S = 24 * 3600.0
STEPS = 512
REMEMBERED_SHARE = 1 / 2
"""Of a window: so long after it stopped counting a use is still known, for what a provider said long ago."""
_REMEMBERED_STEPS = int(STEPS * REMEMBERED_SHARE)
LONGEST_LEASE_SHARE = 1 / 30
"""Of a minute: how long a lease is usable."""
_SLACK_SHARE, _SLACK_LEAST_S, _SLACK_MOST_S = 0.01, 0.15, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One kind of limit."""

    name: str
    """``rpm``, ``tpm``, ``rpd`` or ``tpd``."""
    counts_tokens: bool
    length_s: float
    jitter_s: float | None = None
    """As configured; None: a share of the window."""

    @property
    def slack_s(self) -> float:
        """Longer than the window by so much."""
        if self.jitter_s is not None:
            return self.jitter_s
        return min(_SLACK_MOST_S, max(_SLACK_LEAST_S, self.length_s * _SLACK_SHARE))

    @property
    def step_s(self) -> float:
        """How finely ends are kept."""
        return self.length_s / STEPS

    def end_of(self, used_at: float) -> int:
        """The step at whose beginning a use at ``used_at`` stops counting."""
        return math.ceil((used_at + self.length_s + self.slack_s) / self.step_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The limits of one bucket as they are configured; None: not known."""

    rpm: int | None = None
    tpm: int | None = None
    rpd: int | None = None
    tpd: int | None = None
    concurrency: int | None = None
    minute_s: float = 60.0
    jitter_s: float | None = None

    @property
    def windows(self) -> tuple[Window, ...]:
        """All four, so that use is known before a limit is."""
        return (
            Window(name="rpm", counts_tokens=False, length_s=self.minute_s, jitter_s=self.jitter_s),
            Window(name="tpm", counts_tokens=True, length_s=self.minute_s, jitter_s=self.jitter_s),
            Window(name="rpd", counts_tokens=False, length_s=DAY_S),
            Window(name="tpd", counts_tokens=True, length_s=DAY_S),
        )

    def window(self, name: str) -> Window:
        """The window of that name."""
        return next(window for window in self.windows if window.name == name)

    def configured(self, window: str) -> int | None:
        """The limit of that window, if the operator gave one."""
        limits = {"rpm": self.rpm, "tpm": self.tpm, "rpd": self.rpd, "tpd": self.tpd}
        return limits[window]


class Counts:
    """What was used in one window: amounts by the step at which they stop counting."""

    __slots__ = ("by_end", "window")

    def __init__(self, window: Window, by_end: dict[int, int] | None = None) -> None:
        self.window = window
        self.by_end = {} if by_end is None else by_end

    def used(self, now: float) -> int:
        """What counts now; what has not for a while is forgotten."""
        reached = math.floor(now / self.window.step_s)
        for end in [end for end in self.by_end if end <= reached - _REMEMBERED_STEPS]:
            del self.by_end[end]
        return sum(amount for end, amount in self.by_end.items() if end > reached)

    def ages_out(self, now: float, *, within_s: float) -> int:
        """What counts now and will not ``within_s`` seconds from now."""
        reached = math.floor(now / self.window.step_s)
        last = math.floor((now + within_s) / self.window.step_s)
        return sum(amount for end, amount in self.by_end.items() if reached < end <= last)

    def used_between(self, since: float, at: float) -> int:
        """What counted at any moment from ``since`` to ``at``, not long ago; leases of ``at`` included."""
        first = math.floor(since / self.window.step_s)
        last = self.window.end_of(at + self.window.length_s * LONGEST_LEASE_SHARE)
        return sum(amount for end, amount in self.by_end.items() if first < end <= last)

    def add(self, amount: int, used_at: float) -> None:
        """Count a use."""
        if amount > 0:
            end = self.window.end_of(used_at)
            self.by_end[end] = self.by_end.get(end, 0) + amount

    def add_until(self, amount: int, until: float) -> None:
        """Count a use of somebody else's, until a time they told."""
        end = math.ceil(until / self.window.step_s)
        self.by_end[end] = self.by_end.get(end, 0) + amount

    def take_back(self, amount: int, used_at: float) -> None:
        """Uncount what was counted for ``used_at``; nothing, if it no longer counts."""
        end = self.window.end_of(used_at)
        left = self.by_end.get(end, 0) - amount
        if left > 0:
            self.by_end[end] = left
        else:
            self.by_end.pop(end, None)

    def free_at(self, amount: int, limit: int, now: float) -> float:
        """When ``amount`` more will fit under ``limit``; infinite when it never will."""
        if amount > limit:
            return math.inf
        excess = self.used(now) + amount - limit
        if excess <= 0:
            return now
        reached = math.floor(now / self.window.step_s)
        for end in sorted(end for end in self.by_end if end > reached):
            excess -= self.by_end[end]
            if excess <= 0:
                return end * self.window.step_s
        return math.inf
