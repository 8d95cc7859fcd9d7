"""The topics of a chaos test: made, filled at a steady rate, read back whole."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from support.chaos.verdict import Written
from support.engine_rig import GROUP, RESULTS, SOURCE, event

from posta.domain.envelope import decode, encode
from posta.kafka.offsets import committed
from posta.kafka.producer import Producer, PublishFailed
from posta.kafka.topics import apply
from posta.settings import KafkaSettings

_BATCH_S = 0.1


@dataclass(kw_only=True)
class World:
    """What the group of a test reads and writes."""

    settings: KafkaSettings
    producer: Producer
    keys: int

    async def feed(self, first: int, count: int, *, per_s: float = 0.0) -> None:
        """Write ``count`` events from number ``first`` on, at a steady rate or (0) at once."""
        began, sent = time.monotonic(), 0
        while sent < count:
            due = count if not per_s else min(count, int((time.monotonic() - began) * per_s) + 1)
            due = min(due, sent + 2_000)
            numbers = range(first + sent, first + due)
            wires = [encode(event(number, key=self.key_of(number))) for number in numbers]
            if wires:
                await self.producer.publish(SOURCE.name, wires, timeout_s=60)
            sent = due
            await asyncio.sleep(_BATCH_S if per_s else 0)

    async def feed_stubbornly(self, first: int, count: int, *, per_s: float) -> None:
        """The same one batch after the other, each until Kafka confirms it: brokers may go and come back.

        What was written although its confirmation was lost is written twice, as two records.
        """
        began = time.monotonic()
        for sent in range(0, count, 20):
            await asyncio.sleep(max(0.0, sent / per_s - (time.monotonic() - began)))
            numbers = range(first + sent, first + min(count, sent + 20))
            wires = [encode(event(number, key=self.key_of(number))) for number in numbers]
            while True:
                try:
                    await self.producer.publish(SOURCE.name, wires, timeout_s=5)
                    break
                except PublishFailed:
                    await asyncio.sleep(0.5)

    def key_of(self, number: int) -> str:
        """Each key in turn."""
        return f"k{number % self.keys}"

    async def written(self) -> list[Written]:
        """Every record of the source that is a test's event."""
        found = []
        for record in await self.read(SOURCE.name):
            decoded = decode(key=record.key, value=record.value, headers=tuple(record.headers))
            number = int(decoded.data.data["n"])  # type: ignore[attr-defined] # this test's own payload
            found.append(
                Written(partition=record.partition, offset=record.offset, key=decoded.key, number=number)
            )
        return found

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """All records of a topic, from its first to what was its end at the call."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.bootstrap_servers, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            tps = self.partitions_of(topic)
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            await consumer.seek_to_beginning(*tps)
            found: list[ConsumerRecord] = []
            async with asyncio.timeout(120):
                while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                    for records in (await consumer.getmany(timeout_ms=500)).values():
                        found += records
            return found
        finally:
            await consumer.stop()

    async def ends(self) -> dict[int, int]:
        """How many records each partition of the source has had; empty ones are left out."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.bootstrap_servers)
        await consumer.start()
        try:
            ends = await consumer.end_offsets(self.partitions_of(SOURCE.name))
            return {tp.partition: end for tp, end in ends.items() if end}
        finally:
            await consumer.stop()

    async def committed(self) -> dict[int, int]:
        """What the group has committed of each partition of the source."""
        stored = await committed(
            self.settings,
            group=self.settings.topic_prefix + GROUP.name,
            partitions=self.partitions_of(SOURCE.name),
            timeout_s=10,
        )
        return {tp.partition: one.offset for tp, one in stored.items()}

    def partitions_of(self, topic: str) -> list[TopicPartition]:
        name = self.settings.topic_prefix + topic
        return [TopicPartition(name, number) for number in range(self.settings.partitions)]


@asynccontextmanager
async def world(
    servers: str, prefix: str, *, partitions: int, keys: int, copies: int = 1
) -> AsyncIterator[World]:
    """Topics made, producer connected."""
    settings = KafkaSettings(
        bootstrap_servers=servers, topic_prefix=prefix, partitions=partitions, replication_factor=copies
    )
    await apply(settings, (SOURCE, RESULTS, *GROUP.lanes, GROUP.dlq))
    async with Producer(settings, client_id="feeder") as producer:
        yield World(settings=settings, producer=producer, keys=keys)
