"""Rebuilds the order of keys after an assignment, and holds the partitions back until it stands.

    assigned ──▶ paused ──commits and lanes read──▶ lines restored ──▶ resumed
                    └── Kafka silent, or topics not co-partitioned: alarm, again, for ever
                    └── somebody stands in a lane that may not be read: the same, for its number alone

Order is the promise, so a partition never starts without its lines. Nobody stands in a lane that is not
there, so one that Kafka does not have holds nobody but the records that need it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

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
_FORBIDDEN_S = 10.0
"""Until a lane that may not be read is tried again."""
_REMIND_S = 60.0


@dataclass(frozen=True, slots=True)
class Restored:
    """Partitions whose lines stand, and the group's commits of them."""

    partitions: frozenset[TopicPartition]
    stored: Mapping[TopicPartition, OffsetAndMetadata]


Told = Callable[[Restored], Awaitable[None]]


class Rebuild:
    """One engine's rebuilding; at most one runs."""

    def __init__(self, group: Group, kafka: KafkaSettings, ordered: Ordered) -> None:
        self._group = group
        self._kafka = kafka
        self._ordered = ordered
        self._task: asyncio.Task[None] | None = None
        self._left: set[int] = set()
        """Partition numbers that wait."""
        self._since = 0.0
        """Since when, on the monotonic clock."""
        self._why = ""
        self._reminded = 0.0
        self._lanes = frozenset(kafka.topic_prefix + lane.name for lane in group.lanes)
        self._topics = tuple(kafka.topic_prefix + topic.name for topic in (*group.reads, *group.lanes))
        names.ORDER_REBUILDING.labels(group.name).set(0)

    @property
    def runs(self) -> bool:
        """Whether partitions are held back."""
        return self._task is not None

    def holds_back(self, number: int) -> bool:
        """Whether the partitions of this number wait for their lines."""
        return number in self._left

    @property
    def fault(self) -> str | None:
        """Why partitions wait, if they do."""
        if not self.runs:
            return None
        numbers = ", ".join(str(number) for number in sorted(self._left))
        return f"the order of keys is being rebuilt from the lanes, for partitions {numbers}: {self._why}"

    def begin(
        self,
        consumer: AIOKafkaConsumer,
        assigned: Collection[TopicPartition],
        restored: Told,
    ) -> None:
        """Hold ``assigned`` back until its lines stand; ``restored`` is told just before they are let go."""
        # A9: the pause belongs to this assignment; a new one begins again.
        consumer.pause(*assigned)
        self._wait_for({tp.partition for tp in assigned})
        self._since, self._why = time.monotonic(), "they are being read"
        self._task = asyncio.create_task(self._run(consumer, assigned, restored), name="rebuild key order")

    async def cancel(self) -> None:
        """The assignment is over."""
        task, self._task = self._task, None
        self._wait_for(set())
        if task is not None:
            await end(task)

    async def _run(
        self, consumer: AIOKafkaConsumer, assigned: Collection[TopicPartition], told: Told
    ) -> None:
        while self._left:
            wanted = [tp for tp in assigned if tp.partition in self._left]
            again_s = _FORBIDDEN_S
            try:
                restored = await self._once(consumer, wanted)
                await self._let_go(consumer, restored, told)
            except Exception as exc:  # noqa: BLE001 - a defect too: to stand still and say so is better than disorder
                if not isinstance(exc, Transient):
                    names.UNEXPECTED.labels(self._group.name, "key order").inc()
                self._alarm(str(exc) or repr(exc), exc)
                again_s = _AGAIN_S
            if self._left:
                await asyncio.sleep(again_s)
        self._task = None
        took_s = round(time.monotonic() - self._since, 3)
        log.info("key_order_rebuilt", group=self._group.name, took_s=took_s)

    async def _let_go(self, consumer: AIOKafkaConsumer, restored: Restored, told: Told) -> None:
        if not restored.partitions:
            return
        await told(restored)
        self._wait_for(self._left - {tp.partition for tp in restored.partitions})
        consumer.resume(*(restored.partitions & consumer.assignment()))

    def _wait_for(self, numbers: set[int]) -> None:
        self._left = numbers
        names.ORDER_REBUILDING.labels(self._group.name).set(len(numbers))

    def _alarm(self, why: str, error: BaseException | None = None) -> None:
        """A line at once, for each new reason, and one a minute."""
        now = time.monotonic()
        if why == self._why and now - self._reminded < _REMIND_S:
            return
        self._why, self._reminded = why, now
        log.error(
            "key_order_not_rebuilt",
            group=self._group.name,
            partitions=sorted(self._left),
            why=why,
            waited_s=round(now - self._since, 1),
            exc_info=error,
        )

    async def _once(self, consumer: AIOKafkaConsumer, wanted: Collection[TopicPartition]) -> Restored:
        """Restore the lines of what is ``wanted``, as far as all who stand in it could be read."""
        await self._check_counts(consumer)
        group = self._kafka.topic_prefix + self._group.name
        stored = await committed(self._kafka, group=group, partitions=wanted, timeout_s=_COMMITS_S)
        lanes = [tp for tp in wanted if tp.topic in self._lanes]
        stand = await standing(self._kafka, lanes=lanes, stored=stored, client_id=f"{self._group.name}-order")
        if stand.unread:
            topics = ", ".join(sorted({self._bare(tp) for tp in stand.unread}))
            why = f"somebody waits in {topics}, which may not be read; allow it by Kafka's ACLs"
            self._alarm(why)
        unread = {lane.partition for lane in stand.unread}
        ready = [tp for tp in wanted if tp.partition not in unread]
        for number in {tp.partition for tp in ready}:
            sources = {
                self._bare(tp): commit.offset
                for tp, commit in stored.items()
                if tp.partition == number and tp.topic not in self._lanes
            }
            self._ordered.restore(number, stand.found.get(number, ()), sources)
            # Thousands may stand in the lanes of one number: let the loop breathe before the next.
            await asyncio.sleep(0)
        return Restored(frozenset(ready), {tp: stored[tp] for tp in ready if tp in stored})

    def _bare(self, tp: TopicPartition) -> str:
        return str(tp.topic.removeprefix(self._kafka.topic_prefix))

    async def _check_counts(self, consumer: AIOKafkaConsumer) -> None:
        counts = {topic: len(consumer.partitions_for_topic(topic) or ()) for topic in self._topics}
        unknown = {topic for topic, count in counts.items() if not count}
        if unknown:
            # Who has just started, or may not see a topic, knows as little of it as if it were not there.
            there = await _asked_for(consumer, unknown)
            if there:
                topics = ", ".join(sorted(topic.removeprefix(self._kafka.topic_prefix) for topic in there))
                raise Transient(f"it is not known yet who stands in {topics}; may its topics be described?")
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
