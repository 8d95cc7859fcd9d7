"""Who gets the next free slot: guilds in turn, within a guild destinations in turn.

    guild A: [d1 d2 d3]     next: d1 of A, d4 of B, d2 of A, d5 of B, d3 of A …
    guild B: [d4 d5]        a call that opens a window of its bucket goes before the guild's others

Pure: waiting itself is the caller's business.
"""

from collections import OrderedDict, deque
from typing import Generic, TypeVar

W = TypeVar("W")


class Turns(Generic[W]):
    """A queue of waiters that serves their guilds in turn."""

    def __init__(self) -> None:
        self._guilds: OrderedDict[str, tuple[deque[W], deque[W]]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, waiter: W, *, guild: str, opens_window: bool) -> None:
        """Put a waiter at the end of its guild's line; one that opens a window before those that do not."""
        urgent, others = self._guilds.setdefault(guild, (deque(), deque()))
        (urgent if opens_window else others).append(waiter)
        self._count += 1

    def pop(self) -> W | None:
        """Take out whoever is next; None when nobody waits."""
        if not self._guilds:
            return None
        guild, (urgent, others) = self._guilds.popitem(last=False)
        waiter = (urgent or others).popleft()
        self._count -= 1
        if urgent or others:
            self._guilds[guild] = (urgent, others)
        return waiter
