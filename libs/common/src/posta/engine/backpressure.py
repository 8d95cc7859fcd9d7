"""Keeps what is in memory within bounds: a partition without room is not fetched from.

    room ──at a bound──▶ left out of the polls ──for 0.5 s──▶ paused ──half of the bound──▶ room
                               └───────────── half of the bound ──────────────▲

Left out, a partition keeps what was prefetched of it, which a pause would throw away (A8); but its
unread bytes make aiokafka hold fetches of other partitions back (A10), so it is not left out for
long. Both follow from our own state, so a rebalance cannot lose them (A9).

Of the bytes that all share, a partition may hold as much as is still free (the dynamic thresholds of
Choudhury and Hahne, 1998), and one that holds nothing always has room: so partitions whose records
cannot be finished, as their lane is missing, cannot take the memory of those that are not affected.
"""

from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from posta.engine.meters import Gauges, Meters
from posta.engine.partition import Partition
from posta.engine.policy import Bounds

_PAUSE_AFTER_S = 0.5


class Backpressure:
    """The bounds of one engine over its assigned ``partitions``."""

    def __init__(
        self,
        bounds: Bounds,
        partitions: Mapping[TopicPartition, Partition],
        meters: Meters,
    ) -> None:
        self._bounds = bounds
        self._partitions = partitions
        self._meters = meters

    def left_out(self) -> set[TopicPartition]:
        """What must not be polled now, though it is not paused."""
        return {
            partition.tp
            for partition in self._partitions.values()
            if partition.full_since is not None and not partition.paused
        }

    def regulate(self, consumer: AIOKafkaConsumer, now: float) -> None:
        """Leave out what is full, pause what has been full for long, take back what has room."""
        held_bytes = self._held_bytes()
        for partition in self._partitions.values():
            if partition.full_since is not None:
                self.relieve(partition, consumer)
            elif self._is_full(partition, held_bytes):
                partition.full_since = now
            if now - (partition.full_since or now) >= _PAUSE_AFTER_S:
                _pause(partition, consumer)

    def relieve(self, partition: Partition, consumer: AIOKafkaConsumer | None) -> None:
        """Fetch from a partition again as soon as it has room."""
        if partition.full_since is None or not self._has_room(partition):
            return
        partition.full_since = None
        if partition.paused:
            partition.paused = False
            if consumer is not None and partition.tp in consumer.assignment():
                consumer.resume(partition.tp)

    def show(self, now: float) -> None:
        """Set the metrics."""
        partitions = self._partitions.values()
        self._meters.show(
            Gauges(
                in_flight=sum(len(p.running) for p in partitions),
                held=sum(p.held for p in partitions),
                held_bytes=self._held_bytes(),
                paused=sum(p.full_since is not None for p in partitions),
                watermark_gap=max((p.watermark.gap for p in partitions), default=0),
                oldest_pending_s=max((p.oldest_pending_s(now) for p in partitions), default=0.0),
            )
        )

    def _most(self, partition: Partition) -> int:
        bounds = self._bounds
        return bounds.records_per_lane_partition if partition.is_lane else bounds.records_per_partition

    def _ahead(self, partition: Partition) -> int:
        return min(self._bounds.records_ahead, self._most(partition))

    def _is_full(self, partition: Partition, held_bytes: int) -> bool:
        return (
            partition.held >= self._most(partition)
            or (bool(partition.queues.ready) and partition.held >= self._ahead(partition))
            or partition.watermark.gap >= self._bounds.span_per_partition
            or partition.crowded
            or (partition.held > 0 and partition.held_bytes >= self._bounds.total_bytes - held_bytes)
        )

    def _has_room(self, partition: Partition) -> bool:
        # The cheap questions first: a full partition is asked at each of its records' ends.
        return (
            (
                partition.held <= self._ahead(partition) // 2
                # What is here waits for lines that are busy: others may be further back.
                or (not partition.queues.ready and partition.held <= self._most(partition) * 3 // 4)
            )
            and partition.watermark.gap <= self._bounds.span_per_partition // 2
            and not partition.crowded
            and (
                not partition.held
                or partition.held_bytes <= (self._bounds.total_bytes - self._held_bytes()) // 2
            )
        )

    def _held_bytes(self) -> int:
        return sum(partition.held_bytes for partition in self._partitions.values())


def _pause(partition: Partition, consumer: AIOKafkaConsumer) -> None:
    if not partition.paused and partition.tp in consumer.assignment():
        consumer.pause(partition.tp)
        partition.paused = True
