"""Keeps what is in memory within bounds: a full partition is paused, and resumed at half of its bound.

The hysteresis is there because each pause costs what was prefetched (A8). Pauses follow from our own
state, so a rebalance cannot lose them (A9).
"""

import time
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from posta.engine.partition import Partition
from posta.engine.policy import Bounds
from posta.telemetry import names


class Backpressure:
    """The bounds of one engine over its assigned ``partitions``.

    With ``is_ordered`` what fills memory may wait for the head of a line in a lane that is empty here,
    so an empty partition always has room.
    """

    def __init__(
        self, group: str, bounds: Bounds, partitions: Mapping[TopicPartition, Partition], *, is_ordered: bool
    ) -> None:
        self._group = group
        self._bounds = bounds
        self._partitions = partitions
        self._is_ordered = is_ordered

    def regulate(self, consumer: AIOKafkaConsumer) -> None:
        """Pause what is full, resume what has room, and show it all in the metrics."""
        for partition in self._partitions.values():
            if not partition.paused and self._is_full(partition):
                _pause(partition, consumer)
            else:
                self.relieve(partition, consumer)
        self._show()

    def relieve(self, partition: Partition, consumer: AIOKafkaConsumer | None) -> None:
        """Resume a paused partition as soon as it has room again."""
        if partition.paused and self._has_room(partition):
            partition.paused = False
            if consumer is not None and partition.tp in consumer.assignment():
                consumer.resume(partition.tp)

    def _is_full(self, partition: Partition) -> bool:
        return (
            partition.held >= self._bounds.records_per_partition
            or partition.watermark.gap >= self._bounds.span_per_partition
            or partition.crowded
            or (partition.held > 0 and self._held_bytes() >= self._bounds.total_bytes)
        )

    def _has_room(self, partition: Partition) -> bool:
        return (
            partition.held <= self._bounds.records_per_partition // 2
            and partition.watermark.gap <= self._bounds.span_per_partition // 2
            and not partition.crowded
            and (
                self._held_bytes() <= self._bounds.total_bytes // 2
                or (self._is_ordered and not partition.held)
            )
        )

    def _held_bytes(self) -> int:
        return sum(partition.held_bytes for partition in self._partitions.values())

    def _show(self) -> None:
        group, partitions, now = self._group, self._partitions.values(), time.monotonic()
        names.HELD.labels(group).set(sum(p.held for p in partitions))
        names.HELD_BYTES.labels(group).set(self._held_bytes())
        names.PARTITIONS_PAUSED.labels(group, "full").set(sum(p.paused for p in partitions))
        names.WATERMARK_GAP.labels(group).set(max((p.watermark.gap for p in partitions), default=0))
        names.OLDEST_PENDING.labels(group).set(max((p.oldest_pending_s(now) for p in partitions), default=0))


def _pause(partition: Partition, consumer: AIOKafkaConsumer) -> None:
    if partition.tp in consumer.assignment():
        consumer.pause(partition.tp)
        partition.paused = True
