"""Decides whether a question is one of the known ones, and prefers silence to a wrong answer.

words ─▶ concepts ─▶ entries all of whose concepts are there ─▶ none of what makes it another question
      ─▶ every word accounted for ─▶ exactly one entry left ─▶ its answer
         (anything else: no answer from here, the model is asked)
"""

from collections.abc import Sequence
from dataclasses import dataclass

from llm_worker.words.vocabulary import Found, Vocabulary
from llm_worker.words.wording import words_of

MOST_WORDS = 40
"""A longer text tells a story, and a story is not a frequent question."""
_MOST_CHARS = 20_000
"""Quoted mails included; what is longer is not even read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One frequent question."""

    id: str
    category: str
    asks: tuple[frozenset[str], ...]
    """Each a set of concepts that together ask it."""
    also: frozenset[str]
    """Concepts that may stand beside them without changing what is asked."""
    unless: frozenset[str]
    """Concepts that make it a different question."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """The frequent questions and the words they are asked in."""

    entries: Sequence[Entry]
    vocabulary: Vocabulary
    neutral: frozenset[str]
    """Concepts that never matter: politeness, articles, the shop itself."""

    def match(self, text: str) -> Entry | None:
        """The one entry that ``text`` asks; None when there is none, or more than one."""
        if len(text) > _MOST_CHARS:
            return None
        words = words_of(text)
        if not words or len(words) > MOST_WORDS:
            return None
        found = self.vocabulary.find(words)
        if len(frozenset().union(*found.values())) < len(words):
            return None  # a word that no concept covers: most questions end here
        asked = [entry for entry in self.entries if self._asks(entry, found, len(words))]
        return asked[0] if len(asked) == 1 else None

    def _asks(self, entry: Entry, found: Found, word_count: int) -> bool:
        if not entry.unless.isdisjoint(found):
            return False
        return any(
            ask <= found.keys() and self._accounts_for_all(entry, ask, found, word_count)
            for ask in entry.asks
        )

    def _accounts_for_all(self, entry: Entry, ask: frozenset[str], found: Found, word_count: int) -> bool:
        """The second check: one word more may turn the question into another one."""
        covered: set[int] = set()
        for concept in ask | entry.also | self.neutral:
            covered |= found.get(concept, frozenset())
        return len(covered) == word_count
