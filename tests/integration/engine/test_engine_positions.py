"""Offsets that move under the engine, on real Kafka: nothing jumps in silence."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import REGISTRY
from support.engine_rig import GROUP, SOURCE, event, eventually, number_of, rig, running
from support.kafka_admin import add_partitions, delete_records, delete_topic
from support.logged import logged

from posta.domain.envelope import encode
from posta.engine.policy import Bounds, EnginePolicy, Retries
from posta.kafka.topics import apply

pytestmark = pytest.mark.integration
LOST = "records_lost_before_they_were_read"
QUICK = EnginePolicy(commit_interval_s=0.2)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"group": GROUP.name, "topic": SOURCE.name, **labels}) or 0.0


async def learn(engine) -> None:
    """Let the engine's client see what an operator did, sooner than in 30 s."""
    await engine._intake._consumer._client.force_metadata_update()


async def test_records_that_retention_took_before_they_were_read_are_counted_and_named(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        done: list[int] = []

        async def handler(message):
            done.append(number_of(message))

        for number in range(10):
            await world.feed(event(number))
        async with running(world.engine(handler, policy=QUICK)):
            await eventually(lambda: len(done) == 10)
        for number in range(10, 30):
            await world.feed(event(number))
        await delete_records(world, "work", partition=0, before=25)
        before = counted("posta_offsets_lost_total")
        with logged() as lines:
            async with running(world.engine(handler, policy=QUICK)):
                await eventually(lambda: 29 in done)
        assert done == [*range(10), *range(25, 30)]
        assert counted("posta_offsets_lost_total") == before + 15
        assert [(line["from_offset"], line["to_offset"]) for line in lines[LOST]] == [(10, 25)]
        assert await world.committed() == 30


@pytest.mark.parametrize("retries", list(Retries))
async def test_records_lost_while_the_partition_was_full_are_told_and_the_rest_is_handled(
    kafka, topic_prefix, retries
):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        done: list[int] = []
        let_go = asyncio.Event()

        async def handler(message):
            await let_go.wait()
            done.append(number_of(message))

        for number in range(1200):
            await world.feed(event(number, key=f"k{number}"))
        policy = EnginePolicy(bounds=Bounds(records_per_partition=20), commit_interval_s=0.2, retries=retries)
        engine = world.engine(handler, policy=policy)
        with logged() as lines:
            async with running(engine):
                await eventually(lambda: any(p.paused for p in engine._intake.partitions))
                await delete_records(world, "work", partition=0, before=1195)
                let_go.set()
                await eventually(lambda: 1199 in done, within_s=30)
        assert set(range(1195, 1200)) <= set(done)
        taken = len([number for number in done if number < 1195])
        assert [(line["from_offset"], line["lost"]) for line in lines[LOST]] == [(taken, 1195 - taken)]
        assert await world.committed() == 1200


@pytest.mark.parametrize("retries", list(Retries))
async def test_a_topic_that_was_deleted_and_made_anew_is_read_from_its_beginning(
    kafka, topic_prefix, retries
):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        done: list[int] = []

        async def handler(message):
            done.append(number_of(message))

        policy = EnginePolicy(commit_interval_s=0.2, retries=retries)
        engine = world.engine(handler, policy=policy)
        async with running(engine):
            for number in range(5):
                await world.feed(event(number))
            await eventually(lambda: len(done) == 5)
            await delete_topic(world, "work")
            await apply(world.settings, (SOURCE,))
            for number in range(100, 103):
                await world.feed(event(number))
            await learn(engine)
            await eventually(lambda: len(done) >= 8, within_s=40)
            assert done[5:8] == [100, 101, 102]
            await eventually(lambda: not engine._intake.partitions[0].unsaved, within_s=30)
        assert await world.committed() == 3


async def test_partitions_added_while_running_are_read_from_their_beginning(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        done: list[int] = []

        async def handler(message):
            done.append(number_of(message))

        engine = world.engine(handler, policy=QUICK)
        async with running(engine):
            await world.feed(event(0))
            await eventually(lambda: done == [0])
            before = counted("posta_topic_resized_total")
            await add_partitions(world, [SOURCE.name, *(lane.name for lane in GROUP.lanes)], total=3)
            await world.producer._client.client.force_metadata_update()
            for partition in range(3):
                wire = encode(event(partition + 1))
                await world.producer.publish(SOURCE.name, [wire], timeout_s=10, partition=partition)
            await learn(engine)
            await eventually(lambda: set(done) == {0, 1, 2, 3}, within_s=40)
            await eventually(lambda: counted("posta_topic_resized_total") > before)


async def test_a_group_whose_offsets_were_reset_while_it_was_stopped_goes_on_from_there(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        done: list[int] = []

        async def handler(message):
            done.append(number_of(message))

        for number in range(10):
            await world.feed(event(number))
        async with running(world.engine(handler, policy=QUICK)):
            await eventually(lambda: len(done) == 10)
        operator = AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap_servers,
            group_id=topic_prefix + GROUP.name,
            enable_auto_commit=False,
        )
        await operator.start()
        tp = TopicPartition(topic_prefix + SOURCE.name, 0)
        operator.assign([tp])
        await operator.commit({tp: 4})
        await operator.stop()
        async with running(world.engine(handler, policy=QUICK)):
            await eventually(lambda: len(done) == 16)
        assert done[10:] == list(range(4, 10))
        assert await world.committed() == 10
