"""Rebuilds the order of keys after an assignment, and holds the partitions back until it stands.

    assigned ──▶ paused ──commits and lanes read──▶ lines restored ──▶ resumed
                    └── Kafka silent, or topics not co-partitioned: alarm, again, for ever

Order is the promise, so a partition never starts without its lines. Nobody stands in a lane that is not
there, so one that Kafka does not have holds nobody but the records that need it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from posta.engine.ordered import Ordered
from posta.engine.standing import standing
from posta.errors import Transient
from posta.kafka.offsets import committed
from posta.settings import KafkaSettings
from posta.tasks import end
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.topics import Group

log = get_logger(__name__)
_COMMITS_S = 5.0
_AGAIN_S = 1.0
Restored = Callable[[Mapping[TopicPartition, OffsetAndMetadata]], Awaitable[None]]


class Rebuild:
    """One engine's rebuilding; at most one runs."""

    def __init__(self, group: Group, kafka: KafkaSettings, ordered: Ordered) -> None:
        self._group = group
        self._kafka = kafka
        self._ordered = ordered
        self._task: asyncio.Task[None] | None = None
        self._lanes = frozenset(kafka.topic_prefix + lane.name for lane in group.lanes)
        self._topics = tuple(kafka.topic_prefix + topic.name for topic in (*group.reads, *group.lanes))
        names.ORDER_REBUILDING.labels(group.name).set(0)

    @property
    def runs(self) -> bool:
        """Whether partitions are held back."""
        return self._task is not None

    def begin(
        self,
        consumer: AIOKafkaConsumer,
        assigned: Collection[TopicPartition],
        restored: Restored,
    ) -> None:
        """Hold ``assigned`` back until its lines stand; ``restored`` is told the commits just before."""
        # A9: the pause belongs to this assignment; a new one begins again.
        consumer.pause(*assigned)
        names.ORDER_REBUILDING.labels(self._group.name).set(1)
        self._task = asyncio.create_task(self._run(consumer, assigned, restored), name="rebuild key order")

    async def cancel(self) -> None:
        """The assignment is over."""
        task, self._task = self._task, None
        names.ORDER_REBUILDING.labels(self._group.name).set(0)
        if task is not None:
            await end(task)

    async def _run(
        self,
        consumer: AIOKafkaConsumer,
        assigned: Collection[TopicPartition],
        restored: Restored,
    ) -> None:
        started = time.monotonic()
        while True:
            try:
                stored = await self._once(consumer, assigned)
            except Exception as exc:
                # A defect too: the partitions stand still and this says so, which is better than disorder.
                if not isinstance(exc, Transient):
                    names.UNEXPECTED.labels(self._group.name, "key order").inc()
                waited_s = round(time.monotonic() - started, 1)
                log.exception("key_order_not_rebuilt", group=self._group.name, waited_s=waited_s)
                await asyncio.sleep(_AGAIN_S)
                continue
            break
        await restored(stored)
        mine = consumer.assignment()
        consumer.resume(*(tp for tp in assigned if tp in mine))
        self._task = None
        names.ORDER_REBUILDING.labels(self._group.name).set(0)
        log.info("key_order_rebuilt", group=self._group.name, took_s=round(time.monotonic() - started, 3))

    async def _once(
        self, consumer: AIOKafkaConsumer, assigned: Collection[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        await self._check_counts(consumer)
        group = self._kafka.topic_prefix + self._group.name
        stored = await committed(self._kafka, group=group, partitions=assigned, timeout_s=_COMMITS_S)
        lanes = [tp for tp in assigned if tp.topic in self._lanes]
        found = await standing(self._kafka, lanes=lanes, stored=stored, client_id=f"{self._group.name}-order")
        for number in {tp.partition for tp in assigned}:
            sources = {
                tp.topic.removeprefix(self._kafka.topic_prefix): commit.offset
                for tp, commit in stored.items()
                if tp.partition == number and tp.topic not in self._lanes
            }
            self._ordered.restore(number, found.get(number, ()), sources)
            # Thousands may stand in the lanes of one number: let the loop breathe before the next.
            await asyncio.sleep(0)
        return stored

    async def _check_counts(self, consumer: AIOKafkaConsumer) -> None:
        counts = {topic: len(consumer.partitions_for_topic(topic) or ()) for topic in self._topics}
        unknown = {topic for topic, count in counts.items() if not count}
        if unknown:
            # Who has just started, or may not see a topic, knows as little of it as if it were not there.
            there = await _asked_for(consumer, unknown)
            if there:
                raise Transient(f"it is not known yet who stands in {', '.join(sorted(there))}")
        if len({count for count in counts.values() if count}) > 1:
            raise Transient(f"sources and lanes need the same number of partitions, and have {counts}")


async def _asked_for(consumer: AIOKafkaConsumer, topics: Collection[str]) -> set[str]:
    """Which of ``topics`` may hold records: Kafka has them, or does not let us know."""
    try:
        async with asyncio.timeout(_COMMITS_S):
            listed = await consumer.topics()
    except (TimeoutError, KafkaError) as exc:
        raise Transient(f"Kafka does not name its topics: {type(exc).__name__}") from exc
    # Nothing public says which topics were refused.
    refused = consumer._client.cluster.unauthorized_topics  # noqa: SLF001
    return {topic for topic in topics if topic in listed or topic in refused}
