"""Three real nodes: what survives the end of one; `tests/chaos` ends two of them."""

import asyncio
import signal

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from posta_sandbox.embedded.kafka_cluster import EmbeddedKafkaCluster

pytestmark = pytest.mark.integration


async def leader_of(servers: str, topic: str) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        (described,) = await admin.describe_topics([topic])
        return int(described["partitions"][0]["leader"])
    finally:
        await admin.close()


async def try_to_write(producer: AIOKafkaProducer, value: bytes, *, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await producer.send_and_wait("kept", value)
    except (TimeoutError, KafkaError):
        return False
    return True


async def test_one_node_of_three_may_go_and_its_return_is_only_its_own_start(tmp_path):
    async with EmbeddedKafkaCluster(tmp_path / "cluster") as cluster:
        assert sorted(cluster.nodes) == [1, 2, 3]
        admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
        await admin.start()
        await admin.create_topics([NewTopic("kept", 1, 3)])
        await admin.close()
        async with AIOKafkaProducer(
            bootstrap_servers=cluster.bootstrap_servers, acks="all", request_timeout_ms=5_000
        ) as producer:
            assert await try_to_write(producer, b"with three", within_s=30)
            leader = cluster.nodes[await leader_of(cluster.bootstrap_servers, "kept")]
            leader.signal(signal.SIGKILL)
            await leader.wait()
            assert await try_to_write(producer, b"with two", within_s=90), "another one leads"
            others = {number: node.pid for number, node in cluster.nodes.items() if node is not leader}
            await cluster.start()
            assert leader.pid is not None
            assert others == {
                number: node.pid for number, node in cluster.nodes.items() if node is not leader
            }
            assert await try_to_write(producer, b"with three again", within_s=30)
