"""Sets mistyped words right by the words that products are named with: ``sudaera`` is *sudadera*."""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache

from llm_worker.catalogue.trigrams import ALIKE, LONGEST, SHORTEST, likeness, trigrams

_REMEMBERED = 10_000
"""Words of questions: most come again."""


class Spelling:
    """The words of all names: lower case, without accents."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._groups = {word: trigrams(word) for word in words if SHORTEST <= len(word) <= LONGEST}
        self._by_group: dict[str, list[str]] = {}
        for word, groups in self._groups.items():
            for group in groups:
                self._by_group.setdefault(group, []).append(word)
        self._most_alike = lru_cache(maxsize=_REMEMBERED)(self._look)

    def meant(self, words: Iterable[str]) -> list[str]:
        """Words of names that ``words`` may be, mistyped: for each the most alike, if that is enough."""
        asked = (word for word in words if SHORTEST <= len(word) <= LONGEST)
        return sorted({right for word in asked for right in self._most_alike(word)})

    def _look(self, word: str) -> tuple[str, ...]:
        groups = trigrams(word)
        best, most_alike = ALIKE, set[str]()
        for other in self._candidates(groups):
            score = likeness(groups, self._groups[other])
            if score > best:
                best, most_alike = score, {other}
            elif score == best:
                most_alike.add(other)
        return tuple(sorted(most_alike))

    def _candidates(self, groups: frozenset[str]) -> Iterator[str]:
        """Every word that can be alike enough, some twice, and few others.

        Whoever shares enough of n groups shares one of any n - enough + 1 of them: the rarest are looked at.
        """
        by_rarity = sorted((self._by_group.get(group, ()) for group in groups), key=len)
        enough = math.ceil(ALIKE * len(groups))
        for words in by_rarity[: len(groups) - enough + 1]:
            yield from words
