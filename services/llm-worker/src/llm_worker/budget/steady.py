"""A clock for the whole group that no set clock can move: the database's, bounded by what workers saw pass.

The database's clock set back makes no time pass. Set forward, it is believed only as far as the
visitor's own monotonic clock agrees since its last visit. A visitor that has seen nothing yet believes it.
"""

from dataclasses import dataclass

_DRIFT = 1.001
"""Two machines' seconds may differ by so much."""
_TOLERANCE_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Steady:
    """The group's time, and the database's when it was last looked at; both in seconds."""

    at: float = 0.0
    database_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a visitor knows: the group's time at its last visit, and what passed for it since."""

    at: float
    passed_s: float


def advance(steady: Steady, *, database_now: float, seen: Seen | None) -> Steady:
    """The group's time now; it never goes back."""
    if steady.database_at is None:
        return Steady(at=database_now, database_at=database_now)
    at = steady.at + max(0.0, database_now - steady.database_at)
    if seen is not None:
        at = min(at, seen.at + seen.passed_s * _DRIFT + _TOLERANCE_S)
    return Steady(at=max(steady.at, at), database_at=database_now)
