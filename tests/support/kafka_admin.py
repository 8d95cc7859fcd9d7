"""What only an operator does to a cluster: deletes records and topics, adds partitions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest
from support.engine_rig import Rig

from posta_sandbox.embedded.kafka import EmbeddedKafka

_TOPIC, _LITERAL, _ALLOW, _ANY = 2, 3, 3, 1
READ, WRITE = 3, 4
"""Operations of Kafka's ACLs; each includes describing the topic."""
DESCRIBE_CONFIGS = 10
"""This one does not."""


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


class GuardedKafka(EmbeddedKafka):
    """A broker that keeps to ACLs; what has none is open to all."""

    def _properties(self, port: int) -> str:
        guard = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
        rules = f"authorizer.class.name={guard}\nallow.everyone.if.no.acl.found=true\n"
        return super()._properties(port) + rules


async def allow_only(world: Rig, topic: str, operation: int) -> None:
    """Let nobody do anything with the topic but ``operation``."""
    name = world.settings.topic_prefix + topic
    async with operator(world) as admin:
        request = CreateAclsRequest(_TOPIC, name, _LITERAL, "User:*", "*", operation, _ALLOW)
        await admin._send_request(request)
        await asyncio.sleep(1)  # the broker hears of it by the metadata log


async def allow_all(world: Rig, topic: str) -> None:
    """Take every rule about the topic back."""
    name = world.settings.topic_prefix + topic
    async with operator(world) as admin:
        await admin._send_request(DeleteAclsRequest(_TOPIC, name, _LITERAL, None, None, _ANY, _ANY))
