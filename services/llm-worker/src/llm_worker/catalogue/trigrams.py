"""Tells how alike two words are by the groups of three letters they share, so that a typo still finds.

The measure of PostgreSQL's pg_trgm: shared groups over all groups, of the word padded with blanks.
"""

from functools import lru_cache

ALIKE = 0.45
"""From here on two words count as the same one, mistyped: ``sudaera`` and ``sudadera`` share 0.5."""
SHORTEST = 4
"""A shorter word is like too many others."""


@lru_cache(maxsize=4096)  # the words of the catalogue come again with each question
def trigrams(word: str) -> frozenset[str]:
    """The groups of three letters of ``word``, padded with two blanks before and one after."""
    padded = f"  {word} "
    return frozenset(padded[at : at + 3] for at in range(len(padded) - 2))


def likeness(one: str, other: str) -> float:
    """From 0 (nothing shared) to 1 (the same)."""
    if one == other:
        return 1.0
    first, second = trigrams(one), trigrams(other)
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared)
