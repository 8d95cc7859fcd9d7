"""Sets mistyped words right by the words that products are named with: ``sudaera`` is *sudadera*."""

from collections import Counter
from collections.abc import Iterable, Sequence

from llm_worker.catalogue.trigrams import ALIKE, SHORTEST, likeness, trigrams


class Spelling:
    """The words of all names: lower case, without accents."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._by_group: dict[str, list[str]] = {}
        for word in sorted({word for word in words if len(word) >= SHORTEST}):
            for group in trigrams(word):
                self._by_group.setdefault(group, []).append(word)

    def meant(self, words: Iterable[str]) -> list[str]:
        """Words of names that ``words`` may be, mistyped: for each the most alike, if that is enough."""
        return sorted({right for word in words if len(word) >= SHORTEST for right in self._most_alike(word)})

    def _most_alike(self, word: str) -> Sequence[str]:
        shared = Counter(other for group in trigrams(word) for other in self._by_group.get(group, ()))
        by_likeness: dict[float, list[str]] = {}
        for other in shared:
            by_likeness.setdefault(likeness(word, other), []).append(other)
        best = max(by_likeness, default=0.0)
        return by_likeness[best] if best >= ALIKE else ()
