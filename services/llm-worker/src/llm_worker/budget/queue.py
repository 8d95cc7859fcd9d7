"""Who of those that wait goes first: urgent ones, then whoever is within its share, tenants in turn.

    key = (not urgent, over its share, how many of the same tenant are before it, arrival)

A tenant that asks much gets no more turns than one that asks once, but nobody's room is left unused.
"""

from collections import Counter
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Generic, TypeVar

from llm_worker.budget.visit import Need

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Generic[T]):
    """One question that waits for room."""

    arrival: int
    """Grows with each that comes."""
    need: Need
    tenant: str
    who: T


def in_turn(waiting: Iterable[Waiting[T]], *, over_share: AbstractSet[str]) -> list[Waiting[T]]:
    """The same, best first."""
    before: Counter[str] = Counter()
    keyed = []
    for one in sorted(waiting, key=lambda one: (not one.need.is_urgent, one.arrival)):
        key = (not one.need.is_urgent, one.tenant in over_share, before[one.tenant], one.arrival)
        before[one.tenant] += 1
        keyed.append((key, one))
    return [one for _, one in sorted(keyed, key=lambda pair: pair[0])]
