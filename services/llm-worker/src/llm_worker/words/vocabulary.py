"""Finds the concepts in a question's words: ``envio``, ``shipping`` and ``entrega`` are all *shipping*.

A term is a word (``talla``), the beginning of one (``envi*``) or several in a row (``how long``,
``cuanto tard*``). Each term that is found covers its words; a word that nothing covers is foreign
to the question's subject, and that is what tells a different question from the same one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from pydantic import StringConstraints

_LONGEST = 60
_REMEMBERED = 4_096
"""Words of questions: most come again."""
Term = Annotated[
    str, StringConstraints(min_length=1, max_length=_LONGEST, pattern=r"^[a-z0-9]+\*?( [a-z0-9]+\*?)*$")
]
"""How a term is written in a rules file."""
Found = Mapping[str, frozenset[int]]
"""For each concept in a question the positions of the words it covers."""


@dataclass(frozen=True, slots=True)
class _Term:
    concept: str
    rest: tuple[str, ...]
    """The words after the first."""

    def follows(self, words: Sequence[str], at: int) -> bool:
        """Whether its other words stand from ``at`` on."""
        if at + len(self.rest) > len(words):
            return False
        for word, part in zip(words[at:], self.rest, strict=False):
            if not (word.startswith(part[:-1]) if part.endswith("*") else word == part):
                return False
        return True


class Vocabulary:
    """Every term, by its first word or the beginning of it."""

    def __init__(self) -> None:
        self._by_word: dict[str, list[_Term]] = {}
        self._by_beginning: dict[str, list[_Term]] = {}
        self._begun_by = lru_cache(maxsize=_REMEMBERED)(self._look)

    @classmethod
    def of(cls, concepts: Mapping[str, Iterable[str]]) -> "Vocabulary":
        """The vocabulary of ``concepts``: names and their terms (lower case, without accents)."""
        vocabulary = cls()
        for concept, texts in concepts.items():
            for text in texts:
                first, *rest = text.split()
                terms = vocabulary._by_beginning if first.endswith("*") else vocabulary._by_word
                terms.setdefault(first.removesuffix("*"), []).append(_Term(concept, tuple(rest)))
        return vocabulary

    def find(self, words: Sequence[str]) -> Found:
        """The concepts in ``words``."""
        found: dict[str, set[int]] = {}
        for at, word in enumerate(words):
            # No term is longer, so what a word holds beyond that is as good as one letter.
            for term in self._begun_by(word[: _LONGEST + 1]):
                if not term.rest or term.follows(words, at + 1):
                    found.setdefault(term.concept, set()).update(range(at, at + 1 + len(term.rest)))
        return {concept: frozenset(positions) for concept, positions in found.items()}

    def _look(self, word: str) -> tuple[_Term, ...]:
        begun = list(self._by_word.get(word, ()))
        for length in range(1, min(_LONGEST, len(word)) + 1):
            begun += self._by_beginning.get(word[:length], ())
        return tuple(begun)
