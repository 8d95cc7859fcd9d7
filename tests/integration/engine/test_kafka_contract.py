"""The real Kafka keeps the contract that the simulation's is held to."""

from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from support.kafka_contract import KafkaContract


@pytest.mark.integration
class TestRealKafka(KafkaContract):
    @pytest.fixture
    def world(self, kafka, topic_prefix):
        where = {"bootstrap_servers": kafka.bootstrap_servers}

        @asynccontextmanager
        async def connected():
            admin = AIOKafkaAdminClient(**where)
            await admin.start()
            try:
                yield admin
            finally:
                await admin.close()

        async def create(topic: str, partitions: int) -> None:
            async with connected() as admin:
                await admin.create_topics([NewTopic(topic, partitions, 1)])

        async def grow(topic: str, partitions: int) -> None:
            async with connected() as admin:
                await admin.create_partitions({topic: NewPartitions(partitions)})

        return SimpleNamespace(
            prefix=topic_prefix,
            consumer=lambda *topics, **options: AIOKafkaConsumer(*topics, **where, **options),
            producer=lambda: AIOKafkaProducer(**where),
            admin=lambda: AIOKafkaAdminClient(**where),
            create=create,
            grow=grow,
        )
