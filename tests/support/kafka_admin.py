"""What only an operator does to a cluster: deletes records and topics, adds partitions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.records_to_delete import RecordsToDelete
from support.engine_rig import Rig


@asynccontextmanager
async def operator(world: Rig) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=world.settings.bootstrap_servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def delete_records(world: Rig, topic: str, *, partition: int, before: int) -> None:
    """As retention does: the partition begins at ``before``."""
    async with operator(world) as admin:
        tp = TopicPartition(world.settings.topic_prefix + topic, partition)
        await admin.delete_records({tp: RecordsToDelete(before)})


async def delete_topic(world: Rig, topic: str) -> None:
    """Delete a topic and wait until no broker shows it."""
    name = world.settings.topic_prefix + topic
    async with operator(world) as admin:
        await admin.delete_topics([name])
        while name in await admin.list_topics():  # noqa: ASYNC110 - no broker tells
            await asyncio.sleep(0.05)


async def add_partitions(world: Rig, topics: list[str], *, total: int) -> None:
    async with operator(world) as admin:
        for topic in topics:
            name = world.settings.topic_prefix + topic
            await admin.create_partitions({name: NewPartitions(total_count=total)})
