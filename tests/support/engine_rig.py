"""An engine on real Kafka inside a test: its group's topics, a way to feed it, and what it wrote."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from posta.domain.envelope import Event, Wire, encode
from posta.domain.payloads import EventPublished
from posta.engine.engine import Engine
from posta.engine.message import Message, Publish
from posta.kafka.producer import Producer
from posta.kafka.topics import apply
from posta.settings import KafkaSettings
from posta.topics import Group, Topic

SOURCE = Topic(name="work", key="a test key", written_by=("test",), read_by=("workers",))
RESULTS = Topic(name="results", key="a test key", written_by=("workers",), read_by=("test",))
GROUP = Group(name="workers", reads=(SOURCE,), lane_delays_s=(1, 3))


def event(number: int, key: str = "k", *, expires_at: datetime | None = None) -> Event[EventPublished]:
    """The ``number``-th event of a test."""
    return Event(
        id=f"event:{number}",
        source="/test",
        time=datetime.now(UTC),
        key=key,
        expires_at=expires_at,
        data=EventPublished(
            destination="d",
            publisher="test",
            client_id=str(number),
            client_type="test",
            client_source="/test",
            occurred_at="2026-01-01T00:00:00Z",
            data={"n": number},
        ),
    )


def number_of(message: Message[Any]) -> int:
    """Which event of the test a handler was given."""
    return int(message.event.data.data["n"])


def result_of(message: Message[Any]) -> Publish:
    """What a test's handler publishes for an event."""
    done = Event(
        id=f"{message.event.id}/result",
        source="/workers",
        time=datetime.now(UTC),
        key=message.event.key,
        data=message.event.data,
    )
    return Publish(topic=RESULTS, event=done)


@dataclass
class Rig:
    """One engine's world."""

    settings: KafkaSettings
    producer: Producer
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def feed(self, *events: Event[Any]) -> None:
        for one in events:
            await self.send(encode(one))

    async def send(self, wire: Wire) -> None:
        await self.producer.publish(SOURCE.name, [wire], timeout_s=10)

    def engine(self, handler: Callable[[Message[Any]], Any], **options: Any) -> Engine:
        return Engine(GROUP, handler, kafka=self.settings, producer=self.producer, **options)

    async def read(self, topic: str, *, count: int, timeout_s: float = 15) -> list[ConsumerRecord]:
        """The first ``count`` records of a topic, however long they take within the limit."""
        consumer = AIOKafkaConsumer(
            self.settings.topic_prefix + topic,
            bootstrap_servers=self.settings.bootstrap_servers,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            found: list[ConsumerRecord] = []
            deadline = time.monotonic() + timeout_s
            while len(found) < count and time.monotonic() < deadline:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
            return found
        finally:
            await consumer.stop()

    async def committed(self) -> int:
        """The sum of the group's committed offsets over the source topic."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.bootstrap_servers,
            group_id=self.settings.topic_prefix + GROUP.name,
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            total = 0
            for partition in range(self.settings.partitions):
                tp = TopicPartition(self.settings.topic_prefix + SOURCE.name, partition)
                total += await consumer.committed(tp) or 0
            return total
        finally:
            await consumer.stop()


@asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[asyncio.Event]:
    """The engine, run for the block and then stopped as SIGTERM would."""
    stop = asyncio.Event()
    task = asyncio.create_task(engine.run(stop))
    try:
        yield stop
        if task.done():
            await task
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


@asynccontextmanager
async def rig(bootstrap_servers: str, topic_prefix: str, *, partitions: int = 2) -> AsyncIterator[Rig]:
    """Topics made, producer connected."""
    settings = KafkaSettings(
        bootstrap_servers=bootstrap_servers,
        topic_prefix=topic_prefix,
        partitions=partitions,
        session_timeout_s=6,
    )
    await apply(settings, (SOURCE, RESULTS, *GROUP.lanes, GROUP.dlq))
    async with Producer(settings, client_id="rig") as producer:
        yield Rig(settings=settings, producer=producer)


async def eventually(holds: Callable[[], bool], *, within_s: float = 15, why: str = "") -> None:
    """Wait until ``holds()``; fail when it does not in time."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, why or "did not come true in time"
        await asyncio.sleep(0.02)
