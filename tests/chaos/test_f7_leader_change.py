"""F7: a cluster of three loses the leaders of its partitions, and then its quorum, while the group works."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient
from support.chaos.scene import scene
from support.engine_rig import GROUP, SOURCE

from posta_sandbox.embedded.kafka_cluster import EmbeddedKafkaCluster, KafkaNode

pytestmark = [pytest.mark.chaos, pytest.mark.integration]
RECORDS = 4_000


@pytest_asyncio.fixture
async def cluster(tmp_path) -> AsyncIterator[EmbeddedKafkaCluster]:
    async with EmbeddedKafkaCluster(tmp_path / "cluster") as three:
        yield three


async def leader(cluster: EmbeddedKafkaCluster, topic: str) -> KafkaNode:
    """The node that leads partition 0."""
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
    await admin.start()
    try:
        (described,) = await admin.describe_topics([topic])
        first = next(one for one in described["partitions"] if one["partition"] == 0)
        return cluster.nodes[first["leader"]]
    finally:
        await admin.close()


async def coordinator(cluster: EmbeddedKafkaCluster, group: str) -> KafkaNode:
    """The node that keeps the group."""
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
    await admin.start()
    try:
        return cluster.nodes[await admin.find_coordinator(group)]
    finally:
        await admin.close()


async def kill(node: KafkaNode) -> None:
    node.signal(signal.SIGKILL)
    await node.wait()


@pytest.mark.parametrize("role", ["a partition's leader", "the group's coordinator"])
async def test_a_killed_leader_costs_no_record_no_order_and_no_member(cluster, topic_prefix, tmp_path, role):
    async with scene(
        cluster.bootstrap_servers, topic_prefix, tmp_path / "run", copies=3, handler_s=0.05
    ) as on:
        members = await on.crew.start(2)
        feeding = asyncio.create_task(on.world.feed_stubbornly(0, RECORDS, per_s=150))
        await on.until_ended(300)
        doomed = (
            await leader(cluster, topic_prefix + SOURCE.name)
            if role == "a partition's leader"
            else await coordinator(cluster, topic_prefix + GROUP.name)
        )
        with on.crew.outage():
            await kill(doomed)
            before = len(on.entries())
            await on.until(lambda: len(on.entries()) > before + 500, within_s=60)
        await doomed.start()
        await feeding
        await on.until_quiet(within_s=120)
        assert all(member.is_alive for member in members)
        after = await on.finish()
    print(after)
    after.check()
    assert after.events == RECORDS
    assert not after.verdict.unexplained


async def test_with_one_node_of_three_nothing_is_done_wrongly_and_all_goes_on_when_they_are_back(
    cluster, topic_prefix, tmp_path
):
    async with scene(
        cluster.bootstrap_servers, topic_prefix, tmp_path / "run", copies=3, handler_s=0.05
    ) as on:
        members = await on.crew.start(2)
        feeding = asyncio.create_task(on.world.feed_stubbornly(0, RECORDS, per_s=150))
        await on.until_ended(300)
        with on.crew.outage():
            for node in list(cluster.nodes.values())[:2]:
                await kill(node)
            await asyncio.sleep(15)
            assert not feeding.done(), "with acks=all nobody takes a record that only one node has"
            assert all(member.is_alive for member in members)
            await cluster.start()
        await feeding
        await on.until_quiet(within_s=120)
        assert all(member.is_alive for member in members)
        after = await on.finish()
    print(after)
    after.check()
    assert after.events == RECORDS
    assert not after.verdict.unexplained
