"""F15 and F19: dead letters that Kafka will not take, lanes and dead-letter topics that are not there."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from prometheus_client import REGISTRY
from support.engine_rig import GROUP, event, eventually, number_of, result_of, rig, running
from support.kafka_admin import delete_topic
from support.logged import logged

from posta.domain.backoff import Table
from posta.domain.envelope import Wire, encode, header
from posta.domain.retry import RetryPolicy
from posta.engine.policy import EnginePolicy
from posta.errors import Permanent, Transient
from posta.kafka.topics import apply

pytestmark = pytest.mark.integration
POLICY = EnginePolicy(
    retry=RetryPolicy(backoff=Table(delays_s=(1.0,))),
    publish_timeout_s=1.0,
    commit_interval_s=0.2,
    drain_s=1.0,
)


async def limit(world, topic, max_bytes):
    admin = AIOKafkaAdminClient(bootstrap_servers=world.settings.bootstrap_servers)
    await admin.start()
    try:
        name = world.settings.topic_prefix + topic
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name, {"max.message.bytes": str(max_bytes)})]
        )
    finally:
        await admin.close()


async def test_a_record_as_large_as_its_topic_takes_reaches_the_dlq_whole(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        headers = encode(event(1)).headers
        wire = Wire(key=b"k", value=b"x" * (1_048_588 - 700), headers=headers)

        async def handler(message):
            return [result_of(message)]

        await world.send(wire)
        async with running(world.engine(handler, policy=POLICY)):
            (dead,) = await world.read("workers.dlq", count=1)
        assert dead.value == wire.value, (
            "with the headers of its story added it is larger than its topic takes"
        )
        assert sum(len(name) + len(value) for name, value in dead.headers) > 700


@pytest.mark.parametrize("missing", [GROUP.lanes[0].name, GROUP.dlq.name])
async def test_without_its_lane_or_dlq_a_record_stays_undone_and_is_dealt_with_once_the_topic_is_there(
    kafka, topic_prefix, missing
):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        attempts, others = [], []

        async def handler(message):
            number = number_of(message)
            if number:
                others.append(number)
                return
            attempts.append(message.attempt)
            if missing == GROUP.dlq.name:
                raise Permanent("cannot be")
            if message.attempt == 1:
                raise Transient("later", retry_after_s=1.2)

        await world.feed(event(19, key="k19"))
        engine = world.engine(handler, policy=POLICY)
        async with running(engine):
            await eventually(lambda: others == [19], within_s=30)
            await delete_topic(world, missing)
            for number in range(19):
                await world.feed(event(number, key=f"k{number}"))
            await eventually(lambda: len(others) == 19, within_s=60)
            await eventually(
                lambda: engine.status().oldest_pending_s > 2, within_s=60, why="it does not show"
            )
            assert await world.committed() == 1, "it does not advance"
            assert await engine.live_fault() is None, "a restart would help nobody"
            await apply(world.settings, (*GROUP.lanes, GROUP.dlq))
            if missing == GROUP.dlq.name:
                (dead,) = await world.read("workers.dlq", count=1, timeout_s=30)
                assert header(dead.headers, "posta-error-class") == "permanent"
            await eventually_committed(world, 20)
        assert sorted(others) == list(range(1, 20)), "the others were not done again"
        assert set(attempts) <= {1, 2}


async def test_a_group_whose_lane_is_missing_at_its_start_works_with_the_others_and_is_ready_once_it_is_there(
    kafka, topic_prefix
):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        handled = []

        async def handler(message):
            handled.append((number_of(message), message.attempt))
            if message.attempt == 1 and number_of(message):
                raise Transient("later", retry_after_s={1: 1.2, 3: 3.2}[number_of(message)])

        await delete_topic(world, GROUP.lanes[0].name)
        await world.feed(*(event(number, key=f"k{number}") for number in (0, 1, 3)))
        engine = world.engine(handler, policy=POLICY)
        with logged() as lines:
            async with running(engine):
                await eventually(lambda: (3, 2) in handled, within_s=15, why="its own lane is there")
                assert (0, 1) in handled
                assert (1, 2) not in handled, "what has to ride the missing one stays undone"
                assert "workers.retry.1s" in (await engine.ready_fault() or "")
                assert gauge("posta_topic_missing", topic="workers.retry.1s") == 1
                assert len(lines["topic_missing"]) == 1
                assert await engine.live_fault() is None, "a restart would help nobody"
                await apply(world.settings, GROUP.lanes)
                await eventually(lambda: (1, 2) in handled, within_s=60)
                assert await engine.ready_fault() is None
                assert gauge("posta_topic_missing", topic="workers.retry.1s") == 0
            assert len(lines["topic_is_there"]) == 1
        assert sorted(handled) == [(0, 1), (1, 1), (1, 2), (3, 1), (3, 2)], "nothing was done twice"


def gauge(name, **labels):
    return REGISTRY.get_sample_value(name, {"group": "workers", **labels})


async def eventually_committed(world, count):
    async with asyncio.timeout(60):
        while await world.committed() != count:  # noqa: ASYNC110 - no broker tells
            await asyncio.sleep(0.2)
