"""One assigned partition: what of it is in memory, what is finished, whether it is still ours.

    open ──revoked or shutting down──▶ draining ──in-flight finished or time over──▶ closed

Rule: only an open or draining partition takes completions; a closed one ignores them, so that
nothing of an old assignment is ever committed (a double is better than a loss).
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from aiokafka import ConsumerRecord, TopicPartition

from posta.domain.envelope import Headers
from posta.domain.failure import Delivery
from posta.domain.watermark import Watermark


class Phase(Enum):
    """How far the partition is on its way out."""

    OPEN = "open"
    DRAINING = "draining"
    """Nothing new is started; what runs may finish."""
    CLOSED = "closed"
    """It belongs to another member, or to none."""


def headers_of(record: ConsumerRecord) -> Headers:
    """The record's headers; Kafka allows a null as a header's value, and that counts as empty."""
    return tuple((name, value or b"") for name, value in record.headers)


@dataclass(slots=True, eq=False)
class Work:
    """A fetched record on its way through the engine."""

    record: ConsumerRecord
    partition: "Partition"
    delivery: Delivery
    key: tuple["Partition", bytes | int]
    """The key queue it stands in; a record without a key stands alone, by its offset."""
    size: int
    """Bytes of key and value."""
    received_at: float
    """On the monotonic clock."""
    divert_s: int | None = None
    """Ordered retries: it is not to be handled, but to ride the lane of this delay."""


@dataclass(slots=True, eq=False)
class Partition:
    """The engine's state of one assigned partition."""

    tp: TopicPartition
    topic: str
    """The topic's name without the deployment's prefix."""
    phase: Phase = Phase.OPEN
    watermark: Watermark = field(default_factory=Watermark)
    restored: frozenset[int] = frozenset()
    """Offsets that an earlier owner finished above its watermark; they are not done again."""
    unsaved: bool = False
    """Whether a record was finished since the last commit."""
    crowded: bool = False
    """Whether the finished records above the watermark nearly fill the commit's metadata."""
    waiting: deque[Work] = field(default_factory=deque)
    """Records of a retry lane that have not ridden it to the end; the head is due first."""
    running: dict[Work, asyncio.Task[None]] = field(default_factory=dict)
    held: int = 0
    held_bytes: int = 0
    paused: bool = False
    arrivals: deque[tuple[int, float]] = field(default_factory=deque)
    """Offset and arrival of the records from the watermark on."""

    def receive(self, work: Work) -> None:
        """Take a fetched record into account. Raises ValueError when its offset goes backwards."""
        self.watermark.received(work.record.offset)
        self.arrivals.append((work.record.offset, work.received_at))
        self.held += 1
        self.held_bytes += work.size

    def finish(self, work: Work) -> None:
        """The record is done: its effect, its retry or its dead letter is safe."""
        if self.is_closed:
            return
        self.held -= 1
        self.held_bytes -= work.size
        self.unsaved = True
        self.watermark.finished(work.record.offset)
        mark = self.watermark.committable
        while self.arrivals and mark is not None and self.arrivals[0][0] < mark:
            self.arrivals.popleft()

    def skip(self, offset: int) -> None:
        """Pass over a record that an earlier owner has finished."""
        self.watermark.received(offset)
        self.watermark.finished(offset)
        self.unsaved = True

    @property
    def is_open(self) -> bool:
        """Whether new work of it may be started."""
        return self.phase is Phase.OPEN

    @property
    def is_closed(self) -> bool:
        """Whether completions of it no longer count."""
        return self.phase is Phase.CLOSED

    @property
    def to_commit(self) -> int | None:
        """The watermark if there is something new to commit."""
        return None if self.is_closed or not self.unsaved else self.watermark.committable

    def oldest_pending_s(self, monotonic_now: float) -> float:
        """How long the record at the watermark has been here."""
        return monotonic_now - self.arrivals[0][1] if self.arrivals else 0.0
