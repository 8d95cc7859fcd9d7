"""PURE: which fault strikes whom and when, drawn from a seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is done to a member."""

    KILL = "kill -9"
    TERMINATE = "SIGTERM"
    FREEZE = "SIGSTOP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a schedule."""

    at_s: float
    """After the beginning of the storm."""
    kind: Kind
    whom: float
    """In [0, 1): which of those that live then."""
    down_s: float
    """How long it stays away, or frozen."""


def restarts(
    seed: int, *, count: int, over_s: float, kinds: Sequence[Kind], most_down_s: float
) -> list[Fault]:
    """``count`` faults at random times within ``over_s`` seconds, each kind as often as the others."""
    chance = random.Random(seed)
    dealt = [kinds[number % len(kinds)] for number in range(count)]
    chance.shuffle(dealt)
    faults = [
        Fault(
            at_s=chance.uniform(0, over_s),
            kind=kind,
            whom=chance.random(),
            down_s=chance.uniform(0, most_down_s),
        )
        for kind in dealt
    ]
    return sorted(faults, key=lambda fault: fault.at_s)
