"""Who of those that wait goes first: urgent ones, then whoever has had least beyond its share.

    key = (not urgent, questions its tenant had beyond its share + how many of its own are before it, arrival)

A tenant that asks much gets no more turns than one that asks once, but nobody's room is left unused.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
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
    name: str = ""
    """By which its place in the line is known when it comes again."""


def in_turn(waiting: Iterable[Waiting[T]], *, over_share: Mapping[str, float]) -> list[Waiting[T]]:
    """The same, best first; ``over_share`` is how many questions tenants have had beyond their shares."""
    before: Counter[str] = Counter()
    keyed = []
    for one in sorted(waiting, key=lambda one: (not one.need.is_urgent, one.arrival)):
        had = over_share.get(one.tenant, 0.0) + before[one.tenant]
        key = (not one.need.is_urgent, had, one.arrival)
        before[one.tenant] += 1
        keyed.append((key, one))
    return [one for _, one in sorted(keyed, key=lambda pair: pair[0])]
