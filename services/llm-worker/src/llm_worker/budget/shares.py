"""A share per tenant: while others wait, no guild, person or mailbox gets more than its part.

Each tenant has a level: every question adds one, and it drains at the tenant's share of the allowance.
Up to ``burst`` it goes ahead; above, it waits until it has drained, if anybody else wants the room.
"""

from dataclasses import dataclass

_FULL_PRECISION = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One tenant's recent use, as of a time."""

    amount: float
    at: float

    def now(self, now: float, drain_per_s: float) -> float:
        """What is left of it."""
        return max(0.0, self.amount - max(0.0, now - self.at) * drain_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharePolicy:
    """How an allowance is divided."""

    share: float = 0.5
    burst: int = 3

    def drain_per_s(self, calls: int | None, length_s: float) -> float:
        """Questions per second that one tenant may have of ``calls`` per ``length_s``; 0 if unlimited."""
        return 0.0 if calls is None else self.share * calls / length_s

    def over_s(self, level: Level | None, *, now: float, drain_per_s: float) -> float:
        """Seconds until the tenant may have its next question while others wait; 0: now."""
        if level is None or drain_per_s <= 0:
            return 0.0
        excess = level.now(now, drain_per_s) + 1 - self.burst
        return excess / drain_per_s if excess > _FULL_PRECISION else 0.0


def used(levels: dict[str, Level], tenant: str, questions: int, *, now: float, drain_per_s: float) -> None:
    """Add to a tenant's level."""
    level = levels.get(tenant)
    amount = (level.now(now, drain_per_s) if level else 0.0) + questions
    levels[tenant] = Level(amount=amount, at=now)


def forget_drained(levels: dict[str, Level], *, now: float, drain_per_s: float) -> None:
    """Forget whom nothing is left of, so that the map stays as small as the crowd."""
    for tenant in [name for name, level in levels.items() if level.now(now, drain_per_s) <= 0]:
        del levels[tenant]
