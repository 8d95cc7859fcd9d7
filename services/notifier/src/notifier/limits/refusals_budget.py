"""The budget of refusals: Discord bans an address after 10 000 calls answered 401, 403 or 429 in ten minutes.

Pure. A 429 of scope ``shared`` does not count (Discord, "Invalid Request Limit"). Each process counts
by the minute and tells the others; when all together have spent the budget, nothing is sent until
enough of it is older than ten minutes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

BAN_AT = 10_000
PERIOD_MIN = 10
_COUNTED = frozenset({401, 403, 429})


def counts(status: int, scope: str | None) -> bool:
    """Whether an answer counts as an invalid request."""
    return status in _COUNTED and not (status == 429 and scope == "shared")  # noqa: PLR2004 - HTTP


@dataclass(slots=True, kw_only=True)
class RefusalBudget:
    """What may still be refused; minutes are counted since the epoch."""

    most: int
    """Refusals in ten minutes at which everything stops."""
    _told: dict[int, int] = field(default_factory=dict)
    """By minute, of all processes, as of the last exchange."""
    _fresh: dict[int, int] = field(default_factory=dict)
    """By minute, of this process, since then."""

    def refused(self, now: float) -> None:
        """Count one refusal at ``now``, in seconds since the epoch."""
        minute = int(now // 60)
        self._fresh[minute] = self._fresh.get(minute, 0) + 1

    def spent(self, now: float) -> int:
        """Refusals within the last ten minutes, as far as is known."""
        first = int(now // 60) - PERIOD_MIN
        return sum(n for book in (self._told, self._fresh) for minute, n in book.items() if minute >= first)

    def wait_s(self, now: float) -> float:
        """Seconds until something may be sent again; 0 while the budget lasts."""
        over = self.spent(now) - self.most
        if over < 0:
            return 0.0
        first = int(now // 60) - PERIOD_MIN
        for minute in range(first, int(now // 60) + 1):
            over -= self._told.get(minute, 0) + self._fresh.get(minute, 0)
            if over < 0:
                return (minute + PERIOD_MIN + 1) * 60 - now
        return PERIOD_MIN * 60.0

    def hand_over(self) -> dict[int, int]:
        """What was counted since the last exchange, to be told to the others."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def take_back(self, fresh: Mapping[int, int]) -> None:
        """The exchange failed: what was handed over is still to be told."""
        for minute, count in fresh.items():
            self._fresh[minute] = self._fresh.get(minute, 0) + count

    def learn(self, told: Mapping[int, int]) -> None:
        """What all processes together counted, this one's included."""
        self._told = dict(told)
