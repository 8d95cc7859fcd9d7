"""One assigned partition: what of it is in memory, what is finished, whether it is still ours.

    open ──revoked or shutting down──▶ draining ──in-flight finished or time over──▶ closed

Rule: only an open or draining partition takes completions; a closed one ignores them, so that
nothing of an old assignment is ever committed (a double is better than a loss).
"""

import asyncio
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from aiokafka import ConsumerRecord, TopicPartition
from opentelemetry.trace import Span

from posta.domain.envelope import Headers
from posta.domain.failure import Delivery, read_delivery
from posta.domain.keyqueue import KeyQueues, Link
from posta.domain.rank import Rank
from posta.domain.watermark import Watermark
from posta.engine.message import RawRecord


class Phase(Enum):
    """How far the partition is on its way out."""

    OPEN = "open"
    DRAINING = "draining"
    """Nothing new is started; what runs may finish."""
    CLOSED = "closed"
    """It belongs to another member, or to none."""


def headers_of(record: ConsumerRecord) -> Headers:
    """The record's headers; Kafka allows a null as a header's value, and that counts as empty."""
    headers = record.headers
    for _, value in headers:
        if value is None:
            return tuple((name, value or b"") for name, value in headers)
    as_they_came: Headers = headers
    return as_they_came


@dataclass(slots=True, eq=False)
class Work(Link):
    """A fetched record on its way through the engine; ``line`` is what it must be in order with."""

    record: ConsumerRecord
    partition: "Partition"
    size: int = 0
    """Bytes it takes in memory, about."""
    line: Hashable | None = None
    story: Delivery | None = None
    """What is known of its way so far; None: nothing, it is fresh."""
    behind: Link | None = None
    rank: Rank | None = None
    divert_s: int | None = None
    """Ordered retries: it is not to be handled, but to ride the lane of this delay."""
    started: float = 0.0
    """When its handling began, on the monotonic clock; 0: it was not handled."""
    span: Span | None = None
    """Of its handling, when that is recorded."""

    @property
    def delivery(self) -> Delivery:
        """Its way so far; made when it is first asked for, as most records have none."""
        story = self.story
        if story is None:
            record = self.record
            story = self.story = read_delivery(
                topic=self.partition.topic,
                partition=record.partition,
                offset=record.offset,
                timestamp_ms=record.timestamp,
                headers=(),
            )
        return story

    @delivery.setter
    def delivery(self, delivery: Delivery) -> None:
        self.story = delivery

    def raw(self) -> RawRecord:
        """The record as a handler may be given it."""
        record = self.record
        # By position: names would make this call take half as long again.
        return RawRecord(
            self.partition.topic,
            record.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            headers_of(record) if record.headers else (),
        )


@dataclass(slots=True, eq=False)
class Partition:
    """The engine's state of one assigned partition."""

    tp: TopicPartition
    topic: str
    """The topic's name without the deployment's prefix."""
    is_lane: bool = False
    phase: Phase = Phase.OPEN
    watermark: Watermark = field(default_factory=Watermark)
    queues: KeyQueues[Work] = field(default_factory=KeyQueues)
    restored: frozenset[int] = frozenset()
    """Offsets that an earlier owner finished above its watermark; they are not done again."""
    unsaved: bool = False
    """Whether a record was finished since the last commit."""
    crowded: bool = False
    """Whether the finished records above the watermark nearly fill the commit's metadata."""
    waiting: deque[Work] = field(default_factory=deque)
    """Records of a retry lane that have not ridden it to the end; the head is due first."""
    running: dict[Work, asyncio.Future[None]] = field(default_factory=dict)
    """What has not ended at once, and the task, or the confirmation, that it ends with."""
    held: int = 0
    held_bytes: int = 0
    full_since: float | None = None
    """Since when it has had no room, on the monotonic clock; not fetched from meanwhile."""
    paused: bool = False
    """Whether it has been without room for so long that the client was told to fetch no more of it."""
    arrivals: deque[tuple[int, float]] = field(default_factory=deque)
    """The last offset of each batch received, and when it came; from the watermark on."""

    def receive(self, works: Sequence[Work], monotonic_now: float) -> None:
        """Take a fetched batch into account. Raises ValueError when its offsets go backwards."""
        offsets = [work.record.offset for work in works]
        self.watermark.received_all(offsets)
        self._forget_arrivals()
        self.arrivals.append((offsets[-1], monotonic_now))
        self.held += len(works)
        self.held_bytes += sum([work.size for work in works])

    def finish(self, work: Work) -> None:
        """The record is done: its effect, its retry or its dead letter is safe."""
        if self.phase is Phase.CLOSED:
            return
        self.held -= 1
        self.held_bytes -= work.size
        self.unsaved = True
        self.watermark.finished(work.record.offset)

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
        self._forget_arrivals()
        return monotonic_now - self.arrivals[0][1] if self.arrivals else 0.0

    def _forget_arrivals(self) -> None:
        mark = self.watermark.committable
        while self.arrivals and mark is not None and self.arrivals[0][0] < mark:
            self.arrivals.popleft()
