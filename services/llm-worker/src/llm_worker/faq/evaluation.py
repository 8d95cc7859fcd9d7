"""Says how often the frequent questions are recognised rightly, by questions that a person has labelled."""

import hashlib
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from posta.domain.language import Language

_MS_PER_S = 1000.0


class Kind(StrEnum):
    """What a labelled question is to the frequent ones."""

    IN = "in"
    """One of them answers it."""
    NEAR = "near"
    """Much the same words ask something else."""
    OUT = "out"
    """It is about something else."""


class Half(StrEnum):
    """Which part of the set a question belongs to."""

    TUNE = "tune"
    """Its errors may be read in order to improve the rules."""
    HELD_OUT = "held-out"
    """Its errors are only counted: it tells what to expect of questions that nobody has seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A question and the entry that answers it."""

    question: str
    entry: str | None
    kind: Kind
    language: Language
    is_seen: bool = False
    """Its error was read while the rules were improved."""

    @property
    def half(self) -> Half:
        """`tune` if it was seen; else by the question's SHA-256, so adding one moves no other."""
        if self.is_seen:
            return Half.TUNE
        is_even = hashlib.sha256(self.question.encode("utf-8", "surrogatepass")).digest()[0] % 2 == 0
        return Half.TUNE if is_even else Half.HELD_OUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found for one question, and in which time."""

    asked: Labelled
    found: str | None
    took_s: float

    @property
    def is_right(self) -> bool:
        """The entry of the label; or nothing, where nothing answers."""
        return self.found == self.asked.entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a group of verdicts comes to."""

    questions: int
    in_scope: int
    """Those that an entry answers."""
    answered: int
    """Those for which any entry was found."""
    right: int
    """Those for which the right entry was found."""
    mean_ms: float
    median_ms: float
    max_ms: float

    @property
    def precision(self) -> float:
        """The share of right answers among those given, 0 to 1; 1 when none was given."""
        return self.right / self.answered if self.answered else 1.0

    @property
    def recall(self) -> float:
        """The share of questions in scope that were answered rightly, 0 to 1; 1 when there is none."""
        return self.right / self.in_scope if self.in_scope else 1.0


def judge(
    questions: Sequence[Labelled], match: Callable[[str], str | None], clock: Callable[[], float]
) -> list[Verdict]:
    """A verdict on each question; ``match`` names an entry or none, ``clock`` counts seconds."""
    verdicts = []
    for asked in questions:
        began_s = clock()
        found = match(asked.question)
        verdicts.append(Verdict(asked=asked, found=found, took_s=clock() - began_s))
    return verdicts


def figures(verdicts: Sequence[Verdict]) -> Figures:
    """What ``verdicts`` come to."""
    took_ms = [verdict.took_s * _MS_PER_S for verdict in verdicts] or [0.0]
    return Figures(
        questions=len(verdicts),
        in_scope=sum(verdict.asked.entry is not None for verdict in verdicts),
        answered=sum(verdict.found is not None for verdict in verdicts),
        right=sum(verdict.found is not None and verdict.is_right for verdict in verdicts),
        mean_ms=statistics.fmean(took_ms),
        median_ms=statistics.median(took_ms),
        max_ms=max(took_ms),
    )


def by_group(verdicts: Sequence[Verdict]) -> dict[str, Figures]:
    """The figures of all, of each half and of each language, in this order."""
    groups = {"all": list(verdicts)}
    for half in Half:
        groups[half.value] = [verdict for verdict in verdicts if verdict.asked.half is half]
    for language in sorted({verdict.asked.language for verdict in verdicts}):
        groups[language] = [verdict for verdict in verdicts if verdict.asked.language == language]
    return {name: figures(group) for name, group in groups.items()}
