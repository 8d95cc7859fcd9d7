"""The watermark of one partition: which offset may be committed.

    offsets   4   5   6   7   8   9
              ✓   ✓   …   ✓   …   ✓      ✓ finished   … pending
                      ^watermark = 6: the lowest offset that is not finished

Only the watermark is ever committed: after a crash the records from there on are read again, so
none is lost; those finished above it are the ones that may be done twice. Offsets may have gaps
(compaction, transaction markers), so what was *received* counts, not what is consecutive.
"""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise


class Watermark:
    """Tracks the offsets received and finished, in memory linear in the gap between them."""

    __slots__ = ("_finished", "_pending", "_position")

    def __init__(self) -> None:
        self._pending: deque[int] = deque()
        self._finished: set[int] = set()
        self._position: int | None = None

    def received(self, offset: int) -> None:
        """Note the next record of the partition; offsets come strictly ascending.

        Raises ValueError for an offset not above the last one: the partition was rewound under us.
        """
        self.received_all((offset,))

    def received_all(self, offsets: Sequence[int]) -> None:
        """Note a batch of records, at least one.

        Raises ValueError, and notes none, when they do not ascend from the last one on.
        """
        first, last = offsets[0], offsets[-1]
        if self._position is not None and first < self._position:
            raise ValueError(f"offset {first} received after {self._position - 1}")
        # As many as there are numbers between them: nearly always, and checked by one subtraction.
        if last - first + 1 != len(offsets) and any(a >= b for a, b in pairwise(offsets)):
            raise ValueError(f"offsets from {first} to {last} do not ascend")
        self._pending.extend(offsets)
        self._position = last + 1

    def finished(self, offset: int) -> None:
        """Note that the record at ``offset`` is done, in any order; a repetition changes nothing."""
        pending = self._pending
        if not pending or offset < pending[0]:
            return
        if offset != pending[0]:
            self._finished.add(offset)
            return
        pending.popleft()
        finished = self._finished
        while finished and pending and pending[0] in finished:
            finished.discard(pending.popleft())

    @property
    def committable(self) -> int | None:
        """The offset to commit (the next to be read after a restart); None before any record."""
        return self._pending[0] if self._pending else self._position

    @property
    def gap(self) -> int:
        """How many records lie between the watermark and the newest received one."""
        return len(self._pending)

    @property
    def finished_above(self) -> frozenset[int]:
        """The offsets above the watermark that are finished: what a crash now could redo."""
        return frozenset(self._finished)
