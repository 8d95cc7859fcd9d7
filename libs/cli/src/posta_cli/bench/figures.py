"""What several runs of one contender say together, and whether a target is met by it.

PURE. Medians are compared, never means: one run that the machine disturbed moves them little.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The median of some runs, with the lowest and the highest."""

    median: float
    min: float
    max: float


def spread(values: Sequence[float]) -> Spread:
    """Summarise at least one value."""
    return Spread(median=median(values), min=min(values), max=max(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All that was measured of one contender in one scenario."""

    value: Spread
    """In the scenario's unit."""
    cpu_s_per_1000: Spread | None
    """CPU seconds, user and system, per 1 000 records, from the first handling to the last."""
    peak_mib: Spread
    handled: tuple[int, ...]
    """Different records handled, for each run."""
    complete: bool | None
    """Whether every run handled every record within its time; None: that was not the point."""


Medians = Mapping[str, float]
"""The medians of ours (``posta``) and of each peer that could run; the worst of each note."""
OURS = "posta"


class Target(Protocol):
    """Something to reach."""

    def text(self, unit: str) -> str:
        """As a reader understands it."""

    def is_met(self, medians: Medians) -> bool | None:
        """None: a peer it compares with did not run."""


@dataclass(frozen=True, slots=True)
class AtLeastTimes:
    """Ours is at least ``factor`` times the peer's."""

    factor: float
    peer: str

    def text(self, unit: str) -> str:  # noqa: ARG002 - the protocol's form
        """See ``Target``."""
        return f"≥ {self.factor:g} × {self.peer}"  # noqa: RUF001 - times

    def is_met(self, medians: Medians) -> bool | None:
        """See ``Target``."""
        return medians[OURS] >= self.factor * medians[self.peer] if self.peer in medians else None


@dataclass(frozen=True, slots=True)
class AtMostTimes:
    """Ours is at most ``factor`` times the peer's."""

    factor: float
    peer: str

    def text(self, unit: str) -> str:  # noqa: ARG002 - the protocol's form
        """See ``Target``."""
        return f"≤ {self.factor:g} × {self.peer}"  # noqa: RUF001 - times

    def is_met(self, medians: Medians) -> bool | None:
        """See ``Target``."""
        return medians[OURS] <= self.factor * medians[self.peer] if self.peer in medians else None


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Ours is at least this."""

    least: float

    def text(self, unit: str) -> str:
        """See ``Target``."""
        return f"≥ {self.least:,.6g} {unit}"

    def is_met(self, medians: Medians) -> bool | None:
        """See ``Target``."""
        return medians[OURS] >= self.least


@dataclass(frozen=True, slots=True)
class AtMost:
    """Ours is at most this."""

    most: float

    def text(self, unit: str) -> str:
        """See ``Target``."""
        return f"≤ {self.most:g} {unit}"

    def is_met(self, medians: Medians) -> bool | None:
        """See ``Target``."""
        return medians[OURS] <= self.most


@dataclass(frozen=True, slots=True)
class AtMostAbove:
    """Ours is at most this much above the peer's."""

    most: float
    peer: str

    def text(self, unit: str) -> str:
        """See ``Target``."""
        return f"≤ {self.peer} + {self.most:g} {unit}"

    def is_met(self, medians: Medians) -> bool | None:
        """See ``Target``."""
        return medians[OURS] <= medians[self.peer] + self.most if self.peer in medians else None


@dataclass(frozen=True, slots=True)
class NoteAtMost:
    """Something noted of ours beside its value is at most this, in its worst run."""

    most: float
    note: str

    def text(self, unit: str) -> str:  # noqa: ARG002 - the protocol's form
        """See ``Target``."""
        return f"{self.note} ≤ {self.most:g}"

    def is_met(self, medians: Medians) -> bool | None:
        """See ``Target``."""
        return medians[self.note] <= self.most if self.note in medians else None


def all_met(targets: Sequence[Target], medians: Medians) -> bool | None:
    """False when one is missed; None when one could not be judged; else True."""
    found = [target.is_met(medians) for target in targets]
    if False in found:
        return False
    return None if None in found else True
