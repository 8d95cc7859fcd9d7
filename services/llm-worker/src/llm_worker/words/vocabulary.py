"""Finds the concepts in a question's words: ``envio``, ``shipping`` and ``entrega`` are all *shipping*.

A term is a word (``talla``), the beginning of one (``envi*``) or several in a row (``how long``,
``cuanto tard*``). Each term that is found covers its words; a word that nothing covers is foreign
to the question's subject, and that is what tells a different question from the same one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import StringConstraints

Term = Annotated[
    str, StringConstraints(min_length=1, max_length=60, pattern=r"^[a-z0-9]+\*?( [a-z0-9]+\*?)*$")
]
"""How a term is written in a rules file."""
Found = Mapping[str, frozenset[int]]
"""For each concept in a question the positions of the words it covers."""


@dataclass(frozen=True, slots=True)
class _Term:
    concept: str
    parts: tuple[str, ...]

    def covers(self, words: Sequence[str], at: int) -> int:
        """How many words from ``at`` on it covers; 0: it is not there."""
        parts = self.parts
        if at + len(parts) > len(words):
            return 0
        for offset, part in enumerate(parts):
            word = words[at + offset]
            if not (word.startswith(part[:-1]) if part.endswith("*") else word == part):
                return 0
        return len(parts)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Every term, by the first letters of its first word."""

    _terms: dict[str, list[_Term]] = field(default_factory=dict)

    @classmethod
    def of(cls, concepts: Mapping[str, Iterable[str]]) -> "Vocabulary":
        """The vocabulary of ``concepts``: names and their terms (lower case, without accents)."""
        terms: dict[str, list[_Term]] = {}
        for concept, texts in concepts.items():
            for text in texts:
                parts = tuple(text.split())
                terms.setdefault(parts[0][:_INDEXED].rstrip("*"), []).append(_Term(concept, parts))
        return cls(terms)

    def find(self, words: Sequence[str]) -> Found:
        """The concepts in ``words``."""
        found: dict[str, set[int]] = {}
        for at, word in enumerate(words):
            for length in range(1, min(_INDEXED, len(word)) + 1):
                for term in self._terms.get(word[:length], ()):
                    covered = term.covers(words, at)
                    if covered:
                        found.setdefault(term.concept, set()).update(range(at, at + covered))
        return {concept: frozenset(positions) for concept, positions in found.items()}


_INDEXED = 3
"""First letters that the terms are filed under."""
