"""Ranked lines: key queues in which the more urgent record of a key goes first.

    line of key a:  a1 (running)   waiting: a2 due 300, a3 due 20, a4 due 310     done(a1) -> a3
    ready:          heads of the lines, the earliest ``turn`` first; equal ones as they came

``due`` is a time, so nothing starves: what waits is overtaken only by what is due earlier, and new
records are due later and later. Records of a line with equal ``within`` never overtake each other:
when a later one of them is the most urgent, those before it go first.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic

from posta.domain.keyqueue import KeyQueues, L
from posta.domain.rank import NO_RANK, Rank


class EarliestFirst(Generic[L]):
    """What may start, the earliest ``turn`` first; takes the place of a plain queue."""

    __slots__ = ("_heap", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, L]] = []
        self._serial = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def first_turn(self) -> float:
        """Of the first. Raises IndexError when there is none."""
        return self._heap[0][0]

    def append(self, link: L, /) -> None:
        """Put it behind those of its turn."""
        heapq.heappush(self._heap, (_rank(link).turn, next(self._serial), link))

    def popleft(self) -> L:
        """Take the first. Raises IndexError when there is none."""
        return heapq.heappop(self._heap)[-1]

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()


@dataclass(slots=True)
class _Line(Generic[L]):
    """The waiting records of one line."""

    calls: list[tuple[float, int, L]] = field(default_factory=list)
    """By ``due``. One of a ``within`` calls for all before it, and then for itself."""
    orders: dict[Hashable, deque[tuple[int, L]]] = field(default_factory=dict)
    called: set[int] = field(default_factory=set)
    """What went on another's call: its own is passed over."""

    def add(self, link: L, serial: int) -> None:
        rank = _rank(link)
        heapq.heappush(self.calls, (rank.due, serial, link))
        if rank.within is not None:
            self.orders.setdefault(rank.within, deque()).append((serial, link))

    def take(self) -> L | None:
        while self.calls:
            call = heapq.heappop(self.calls)
            _, serial, link = call
            if serial in self.called:
                self.called.remove(serial)
                continue
            within = _rank(link).within
            if within is None:
                return link
            first_serial, first = self._first(within)
            if first_serial != serial:
                self.called.add(first_serial)
                heapq.heappush(self.calls, call)
            return first
        return None

    def _first(self, within: Hashable) -> tuple[int, L]:
        order = self.orders[within]
        first = order.popleft()
        if not order:
            del self.orders[within]
        return first


class RankedQueues(KeyQueues[L]):
    """The lines of one partition, ranked."""

    __slots__ = ("_lines", "_serial")

    def __init__(self) -> None:
        super().__init__()
        self.ready: EarliestFirst[L] = EarliestFirst()
        self._lines: dict[Hashable, _Line[L]] = {}
        self._serial = itertools.count()

    @property
    def first_turn(self) -> float | None:
        """See ``KeyQueues``."""
        return self.ready.first_turn

    def push(self, link: L) -> None:
        """Add a record to its line, by its rank."""
        if link.line is not None:
            line = self._lines.get(link.line)
            if line is not None:
                line.add(link, next(self._serial))
                return
            self._lines[link.line] = _Line()
        self.ready.append(link)

    def done(self, link: L) -> None:
        """See ``KeyQueues``."""
        if link.line is None:
            return
        following = self._lines[link.line].take()
        if following is None:
            del self._lines[link.line]
        else:
            self.ready.append(following)

    def clear(self) -> None:
        """See ``KeyQueues``."""
        super().clear()
        self._lines.clear()


def _rank(link: L) -> Rank:
    return link.rank or NO_RANK
