"""Tells how alike two words are by the groups of three letters they share, so that a typo still finds.

The measure of PostgreSQL's pg_trgm: shared groups over all groups, of the word padded with blanks.
"""

from sys import intern

ALIKE = 0.45
"""From here on two words count as one, mistyped: ``sudaera`` and ``sudadera`` share 6 of 11 groups."""
SHORTEST = 4
"""A shorter word is like too many others."""
LONGEST = 40
"""A longer one names no product, and costs as much as many."""


def trigrams(word: str) -> frozenset[str]:
    """The groups of three letters of ``word``, padded with two blanks before and one after."""
    padded = f"  {word} "
    # Interned, for the words of a catalogue share most of them.
    return frozenset(intern(padded[at : at + 3]) for at in range(len(padded) - 2))


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """From 0 (no group shared) to 1 (all)."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
