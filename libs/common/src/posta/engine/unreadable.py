"""Lets a partition with a record that the client cannot decode stand still, and the others go on.

    fetch ──the client raises──▶ a new client, partitions read one by one ──▶ found: parked before the record
                                                                                │ once a minute
                                                                                └──▶ tried again

aiokafka decodes header names as UTF-8 and raises in the middle of a fetch when one is not; it does not
say where. The record is not skipped: nobody but an operator may decide that it is worth nothing
(``kafka-delete-records``, or moving the group's offset past it).
"""

import asyncio
import time
from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_AGAIN_S = 60.0
_SEARCH_S = 30.0
_IDLE_S = 0.02
_SHORT_MS = 100
_Batches = dict[TopicPartition, list[ConsumerRecord]]


class Unreadable:
    """Polls for one engine."""

    def __init__(self, group: str, *, prefix: str) -> None:
        self._group = group
        self._prefix = prefix
        self._known: dict[TopicPartition, int] = {}
        self._parked: dict[TopicPartition, float] = {}
        self._search_until = 0.0

    def search(self) -> None:
        """A client failed on something it fetched: read carefully until it is found, for a while."""
        self._search_until = time.monotonic() + _SEARCH_S

    @property
    def searching(self) -> bool:
        """Whether partitions are read one by one."""
        return time.monotonic() < self._search_until

    def begin(self) -> None:
        """A new assignment: pauses of the one before are gone (A9), and its positions too."""
        self._parked.clear()

    async def poll(
        self,
        consumer: AIOKafkaConsumer,
        *,
        timeout_ms: int,
        max_records: int,
        left_out: Collection[TopicPartition] = (),
    ) -> _Batches:
        """What ``getmany`` of all partitions but those ``left_out`` gives, less those that stand still."""
        assigned = consumer.assignment().difference(left_out)
        if left_out and not assigned:
            # A11: asked for none, aiokafka would return records of all.
            await asyncio.sleep(timeout_ms / 1000)
            return {}
        searching = self.searching
        if not searching and not self._known:
            wanted = assigned if left_out else ()
            batches: _Batches = await consumer.getmany(
                *wanted, timeout_ms=timeout_ms, max_records=max_records
            )
            return batches
        self._retry(consumer)
        careful = {tp for tp in assigned if (searching or tp in self._known) and tp not in self._parked}
        found: _Batches = {}
        for tp in sorted(careful):
            found |= await self._one(consumer, tp)
        others = assigned - careful - self._parked.keys()
        if others:  # A11: none would mean all
            wait_ms = 0 if found else min(timeout_ms, _SHORT_MS) if careful else timeout_ms
            found |= await consumer.getmany(*others, timeout_ms=wait_ms, max_records=max_records)
        elif not found:
            await asyncio.sleep(_IDLE_S)
        return found

    async def _one(self, consumer: AIOKafkaConsumer, tp: TopicPartition) -> _Batches:
        """The next record of one partition: so the position is exactly before the one that fails."""
        try:
            batches: _Batches = await consumer.getmany(tp, timeout_ms=0, max_records=1)
        except KafkaError:
            raise
        except Exception as exc:  # noqa: BLE001 - whatever the client's decoder raises
            await self._park(consumer, tp, exc)
            return {}
        return batches

    async def _park(self, consumer: AIOKafkaConsumer, tp: TopicPartition, error: Exception) -> None:
        self._search_until = 0.0
        consumer.pause(tp)
        self._parked[tp] = time.monotonic()
        offset = await consumer.position(tp)
        if self._known.get(tp) == offset:
            return
        self._known[tp] = offset
        self._show()
        log.error(
            "record_unreadable_partition_stands_still",
            group=self._group,
            topic=tp.topic.removeprefix(self._prefix),
            partition=tp.partition,
            offset=offset,
            error=type(error).__name__,
        )

    def _retry(self, consumer: AIOKafkaConsumer) -> None:
        """Look at a parked partition again: an operator may have removed the record."""
        now = time.monotonic()
        for tp in [tp for tp, since in self._parked.items() if now - since >= _AGAIN_S]:
            del self._parked[tp]
            if tp in consumer.assignment():
                consumer.resume(tp)

    def passed(self, tp: TopicPartition, offset: int) -> None:
        """A record was fetched: what stood still before it does so no more."""
        if tp in self._known and offset > self._known[tp]:
            del self._known[tp]
            self._show()
            log.info("partition_goes_on", group=self._group, topic=tp.topic.removeprefix(self._prefix))

    def _show(self) -> None:
        names.PARTITIONS_PAUSED.labels(self._group, "unreadable").set(len(self._known))
