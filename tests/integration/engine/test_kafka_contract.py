"""The real Kafka keeps the contract that the simulation's is held to."""

from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from support.kafka_contract import KafkaContract


@pytest.mark.integration
class TestRealKafka(KafkaContract):
    @pytest.fixture
    def world(self, kafka, topic_prefix):
        where = {"bootstrap_servers": kafka.bootstrap_servers}

        async def create(topic: str, partitions: int) -> None:
            admin = AIOKafkaAdminClient(**where)
            await admin.start()
            try:
                await admin.create_topics([NewTopic(topic, partitions, 1)])
            finally:
                await admin.close()

        return SimpleNamespace(
            prefix=topic_prefix,
            consumer=lambda *topics, **options: AIOKafkaConsumer(*topics, **where, **options),
            producer=lambda: AIOKafkaProducer(**where),
            admin=lambda: AIOKafkaAdminClient(**where),
            create=create,
        )
