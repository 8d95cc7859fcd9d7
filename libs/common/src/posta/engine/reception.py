"""Takes fetched records in: into the lines of their keys, or among those that wait for their lane's delay.

fetched ─┬─ finished by an earlier owner ─▶ passed over
         ├─ its key's order is kept ──────▶ ordered
         ├─ of a lane, not due yet ───────▶ waits; one timer per partition, for the head
         └─ any other ────────────────────▶ dispatcher
"""

import time
from collections.abc import Callable, Collection, MutableMapping, Sequence

from aiokafka import ConsumerRecord, TopicPartition

from posta.domain.failure import Delivery, read_delivery
from posta.domain.keyqueue import KeyQueues
from posta.domain.rank import Rank
from posta.domain.ranked_lines import RankedQueues
from posta.engine.dispatch import Dispatcher
from posta.engine.message import RawRecord
from posta.engine.meters import Meters
from posta.engine.ordered import Ordered
from posta.engine.partition import Partition, Work, headers_of
from posta.engine.policy import RECORD_OVERHEAD_BYTES, Ordering
from posta.engine.timers import Timers

_WHOLE_PARTITION = b""
"""The one line of a partition that is handled in order as a whole."""


class Reception:
    """What of one engine's ``partitions`` comes in; ``lanes`` are the full names of lane topics."""

    def __init__(
        self,
        partitions: MutableMapping[TopicPartition, Partition],
        *,
        ordering: Ordering,
        lanes: Collection[str],
        topic_prefix: str,
        dispatcher: Dispatcher,
        timers: Timers,
        meters: Meters,
        clock: Callable[[], float],
        ordered: Ordered | None,
        rank: Callable[[RawRecord], Rank] | None = None,
    ) -> None:
        self._partitions = partitions
        self._ordering = ordering
        self._lanes = lanes
        self._topic_prefix = topic_prefix
        self._dispatcher = dispatcher
        self._timers = timers
        self._meters = meters
        self._clock = clock
        self._ordered = ordered
        self._rank = rank

    def receive(
        self, tp: TopicPartition, records: Sequence[ConsumerRecord], finished: frozenset[int]
    ) -> None:
        """Take in the next records of a partition; ``finished`` are those an earlier owner has done.

        Raises ValueError when the offsets go back: the topic was made anew, or the group was reset.
        """
        partition = self._partitions.get(tp)
        if partition is None:
            topic = tp.topic.removeprefix(self._topic_prefix)
            partition = self._partitions[tp] = Partition(
                tp=tp,
                topic=topic,
                is_lane=tp.topic in self._lanes,
                restored=finished,
                queues=KeyQueues() if self._rank is None else RankedQueues(),
            )
        works = self._lane_works(partition, records) if partition.is_lane else self._works(partition, records)
        partition.receive(works, time.monotonic())
        self._meters.of(partition.topic).received.value += len(works)
        if partition.restored:
            works = _without_finished(partition, works)
        if self._ordered is not None:
            works = self._lined_up(works, self._ordered)
        if partition.is_lane:
            works = self._due(partition, works)
        if works:
            self._dispatcher.push_all(partition, works)

    def _works(self, partition: Partition, records: Sequence[ConsumerRecord]) -> list[Work]:
        """Fresh records. Whatever headers they carry is somebody else's story: not believed here.

        A far not-before time among them would hold the partition up.
        """
        by_key = self._ordering is Ordering.KEY and self._ordered is None
        whole = _WHOLE_PARTITION if self._ordering is Ordering.PARTITION else None
        works = [
            Work(record, partition, _size(record), record.key if by_key else whole) for record in records
        ]
        if self._rank is not None:
            for work in works:
                work.rank = self._rank(work.raw())
        return works

    def _lane_works(self, partition: Partition, records: Sequence[ConsumerRecord]) -> list[Work]:
        works = self._works(partition, records)
        for work in works:
            work.story = _story(partition.topic, work.record)
        return works

    def _lined_up(self, works: Sequence[Work], ordered: Ordered) -> list[Work]:
        """Hand those that have a key to where its order is kept; return the others."""
        alone = []
        for work in works:
            if work.record.key is None:
                alone.append(work)
            else:
                ordered.arrived(work)
        return alone

    def _due(self, partition: Partition, works: Sequence[Work]) -> list[Work]:
        """Let those wait whose lane's delay is not over; return the others."""
        now = self._clock()
        due = []
        for work in works:
            if work.delivery.lane_due > now:
                partition.waiting.append(work)
                if len(partition.waiting) == 1:
                    self._arm(partition)
            else:
                due.append(work)
        return due

    def _arm(self, partition: Partition) -> None:
        """Wake when the head of a lane is due; those behind it are due later."""
        self._timers.at(partition.waiting[0].delivery.lane_due, lambda: self._release_due(partition))

    def _release_due(self, partition: Partition) -> None:
        if not partition.is_open:
            return
        waiting, now = partition.waiting, self._clock()
        due = []
        while waiting and waiting[0].delivery.lane_due <= now:
            due.append(waiting.popleft())
        self._dispatcher.push_all(partition, due)
        if waiting:
            self._arm(partition)


def _without_finished(partition: Partition, works: Sequence[Work]) -> list[Work]:
    left = []
    for work in works:
        if work.record.offset in partition.restored:
            partition.finish(work)
        else:
            left.append(work)
    return left


def _size(record: ConsumerRecord) -> int:
    key, value = record.key, record.value
    size = RECORD_OVERHEAD_BYTES
    if key is not None:
        size += len(key)
    if value is not None:
        size += len(value)
    return size


def _story(topic: str, record: ConsumerRecord) -> Delivery:
    return read_delivery(
        topic=topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp,
        headers=headers_of(record),
    )
