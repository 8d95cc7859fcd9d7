"""A topic that is missing or forbidden stops the partitions that need it, and no others."""

import asyncio
import time
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import REGISTRY
from support.engine_rig import GROUP, SOURCE, event, eventually, number_of, rig, running
from support.kafka_admin import (
    DESCRIBE_CONFIGS,
    READ,
    WRITE,
    GuardedKafka,
    allow_all,
    allow_only,
    delete_topic,
)
from support.logged import logged

from posta.domain.envelope import Wire, encode
from posta.engine.policy import Bounds, EnginePolicy, Retries
from posta.errors import Transient
from posta.kafka.offsets import committed
from posta.kafka.topics import apply

pytestmark = pytest.mark.integration
LANE = GROUP.lanes[0].name
POLICY = EnginePolicy(
    concurrency=4,
    publish_timeout_s=1.0,
    commit_interval_s=0.2,
    drain_s=1.0,
    bounds=Bounds(total_bytes=300_000),
)
"""Few workers and little memory: what is stuck could have used up both many times over."""


@pytest.fixture
def guarded(tmp_path):
    broker = GuardedKafka(tmp_path / "guarded")
    asyncio.run(broker.start())
    yield broker
    asyncio.run(broker.stop(timeout_s=5))


async def write(world, numbers, *, partition):
    """Events of 2 KB each in one partition, every one with a key of its own."""
    wires = []
    for number in numbers:
        wire = encode(event(number, key=f"k{number}"))
        headers = (*wire.headers, ("filling", b"x" * 1_000))
        wires.append(Wire(key=wire.key, value=wire.value + b" " * 2_000, headers=headers))
    await world.producer.publish(SOURCE.name, wires, timeout_s=20, partition=partition)


async def committed_of(world, partition):
    tp = TopicPartition(world.settings.topic_prefix + SOURCE.name, partition)
    group = world.settings.topic_prefix + GROUP.name
    found = await committed(world.settings, group=group, partitions=[tp], timeout_s=5)
    return found[tp].offset if tp in found else 0


def blocked():
    return REGISTRY.get_sample_value("posta_publish_blocked_messages", {"topic": LANE})


async def healthy_partition_goes_on(world, engine, done):
    """Partition 0 needs the lane, 600 times; partition 1 does not, and works 300 records off."""
    await write(world, range(600), partition=0)
    await eventually(lambda: (blocked() or 0) >= POLICY.concurrency * 4, within_s=30, why="more than workers")
    began = time.monotonic()
    for first in range(1000, 1300, 50):
        await write(world, range(first, first + 50), partition=1)
        await eventually(lambda last=first + 49: last in done, within_s=20, why="partition 1 stands still")
    took_s = time.monotonic() - began
    await eventually(lambda: engine.status().in_flight <= 600)
    assert await committed_of(world, 0) == 0, "what needs the lane does not advance"
    await asyncio.sleep(0.5)
    assert await committed_of(world, 1) == 300, "the other partition does"
    return took_s


async def test_a_missing_lane_stops_only_the_partition_that_needs_it_and_costs_others_no_worker_and_no_memory(
    kafka, topic_prefix
):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        done: list[int] = []

        async def handler(message):
            if number_of(message) < 1000 and message.attempt == 1:
                raise Transient("later", retry_after_s=1.2)
            done.append(number_of(message))

        await delete_topic(world, LANE)
        engine = world.engine(handler, policy=POLICY)
        async with running(engine):
            assert await healthy_partition_goes_on(world, engine, done) < 15
            await apply(world.settings, GROUP.lanes)
            await eventually(lambda: len(set(done)) == 900, within_s=90, why=f"{len(set(done))} of 900")
        assert len(done) == 900, "nothing was done twice"


@pytest.mark.parametrize("is_there_at_first", [False, True], ids=["from the start", "deleted meanwhile"])
async def test_a_missing_lane_stops_with_ordered_retries_too_only_the_partition_that_needs_it(
    kafka, topic_prefix, is_there_at_first
):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        done: list[int] = []

        async def handler(message):
            if number_of(message) < 1000 and message.attempt == 1:
                raise Transient("later", retry_after_s=1.2)
            done.append(number_of(message))

        if not is_there_at_first:
            await delete_topic(world, LANE)
        engine = world.engine(handler, policy=replace(POLICY, retries=Retries.ORDERED))
        with logged() as lines:
            async with running(engine):
                if is_there_at_first:
                    await eventually(lambda: bool(lines["key_order_rebuilt"]), within_s=30)
                    await delete_topic(world, LANE)
                await healthy_partition_goes_on(world, engine, done)
                assert await engine.live_fault() is None, "a restart would help nobody"
                assert LANE in (await engine.ready_fault() or "")
                await apply(world.settings, GROUP.lanes)
                await eventually(lambda: len(set(done)) == 900, within_s=120, why=f"{len(set(done))} of 900")
        assert not lines["consumer_replaced"], "no client was thrown away for it"


async def test_later_records_of_a_key_do_not_wait_until_its_retry_is_in_the_lane(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        done: list[int] = []

        async def handler(message):
            if number_of(message) == 0 and message.attempt == 1:
                raise Transient("later", retry_after_s=1.2)
            done.append(number_of(message))

        await delete_topic(world, LANE)
        async with running(world.engine(handler, policy=POLICY)):
            await world.feed(*(event(number, key="k") for number in range(3)))
            await eventually(
                lambda: done == [1, 2], within_s=20, why="they wait for a lane that is not there"
            )
            await apply(world.settings, GROUP.lanes)
            await eventually(lambda: done == [1, 2, 0], within_s=60, why=f"{done}")


async def test_a_lane_that_may_not_be_written_stops_only_the_partition_that_needs_it(guarded, topic_prefix):
    async with rig(guarded.bootstrap_servers, topic_prefix) as world:
        done: list[int] = []

        async def handler(message):
            if number_of(message) < 1000 and message.attempt == 1:
                raise Transient("later", retry_after_s=1.2)
            done.append(number_of(message))

        await allow_only(world, LANE, READ)
        engine = world.engine(handler, policy=POLICY)
        with logged() as lines:
            async with running(engine):
                await healthy_partition_goes_on(world, engine, done)
                assert await engine.live_fault() is None, "a restart would help nobody"
                assert len(lines["publish_failed_will_retry"]) == 1, "it alarms, and does not flood the log"
                await allow_all(world, LANE)
                await eventually(lambda: len(set(done)) == 900, within_s=90, why=f"{len(set(done))} of 900")
        assert len(done) == 900


async def test_a_lane_that_may_not_be_read_is_left_alone_and_the_rest_is_read(
    guarded, topic_prefix, monkeypatch
):
    monkeypatch.setattr("posta.engine.forbidden._AGAIN_S", 2.0)
    monkeypatch.setattr("posta.engine.forbidden._QUIET_S", 1.0)
    async with rig(guarded.bootstrap_servers, topic_prefix) as world:
        done: list[tuple[int, int]] = []

        async def handler(message):
            done.append((number_of(message), message.attempt))
            if message.attempt == 1 and number_of(message) < 2:
                raise Transient("later", retry_after_s=(1.2, 3.2)[number_of(message)])

        await allow_only(world, LANE, WRITE)
        engine = world.engine(handler)
        with logged() as lines:
            async with running(engine):
                await world.feed(*(event(number, key=f"k{number}") for number in range(20)))
                await eventually(lambda: (1, 2) in done, within_s=30, why="the other lane is read")
                assert {number for number, _ in done} == set(range(20))
                assert (0, 2) not in done, "it rides the lane that nobody may read"
                assert LANE in (await engine.ready_fault() or "")
                assert not lines["consumer_replaced"], "no client was thrown away for it"
                assert len(lines["topic_forbidden"]) == 1
                await allow_all(world, LANE)
                await eventually(lambda: (0, 2) in done, within_s=30)
                await eventually(lambda: bool(lines["topic_allowed"]))
                assert await engine.ready_fault() is None
        assert len(done) == 22, "nothing was done twice"


ORDERED = replace(POLICY, retries=Retries.ORDERED)


async def test_ordered_retries_go_on_while_a_lane_may_not_be_read_in_which_nobody_stands(
    guarded, topic_prefix, monkeypatch
):
    monkeypatch.setattr("posta.engine.forbidden._AGAIN_S", 2.0)
    async with rig(guarded.bootstrap_servers, topic_prefix) as world:
        done: list[int] = []

        async def handler(message):
            if number_of(message) == 0 and message.attempt == 1:
                raise Transient("later", retry_after_s=1.2)
            done.append(number_of(message))

        await allow_only(world, LANE, WRITE)
        engine = world.engine(handler, policy=ORDERED)
        async with running(engine):
            await world.feed(*(event(0, key="k"), event(1, key="k")))
            await world.feed(*(event(number, key=f"k{number}") for number in range(2, 20)))
            await eventually(lambda: set(done) == set(range(2, 20)), within_s=30, why="other keys go on")
            await eventually(
                lambda: bool(engine._intake.topic_fault()), why="it alarms once it is fetched from"
            )
            await allow_all(world, LANE)
            await eventually(lambda: done[-2:] == [0, 1], within_s=60, why="in their order")
        assert len(done) == 20


async def test_ordered_retries_hold_a_partition_back_while_its_lane_holds_somebody_and_may_not_be_read(
    guarded, topic_prefix, monkeypatch
):
    """Whose key it is can only be read there, so any key of that number may be behind it; others are not."""
    monkeypatch.setattr("posta.engine.rebuild._FORBIDDEN_S", 1.0)
    async with rig(guarded.bootstrap_servers, topic_prefix) as world:
        done: list[int] = []

        async def handler(message):
            if number_of(message) == 0:
                raise Transient("later", retry_after_s=1.2)

        async def write_to(partition, *events):
            wires = [encode(one) for one in events]
            await world.producer.publish(SOURCE.name, wires, timeout_s=20, partition=partition)

        async def handle(message):
            done.append(number_of(message))

        await allow_only(world, LANE, WRITE)
        async with running(world.engine(handler, policy=ORDERED)):
            await write_to(0, event(0, key="a"))
            await until_somebody_stands_in(world, TopicPartition(world.settings.topic_prefix + LANE, 0))
        engine = world.engine(handle, policy=ORDERED)
        with logged() as lines:
            async with running(engine):
                await write_to(0, event(1, key="a"), event(2, key="b"))
                await write_to(1, event(3, key="c"), event(4, key="d"))
                await eventually(lambda: sorted(done) == [3, 4], within_s=30)
                await asyncio.sleep(2.5)
                assert sorted(done) == [3, 4], "who is behind whom is not known in the other one"
                assert LANE in (engine.status().order_fault or "")
                assert LANE in (await engine.ready_fault() or "")
                assert await engine.live_fault() is None, "a restart would help nobody"
                rebuilding = {"group": GROUP.name}
                assert REGISTRY.get_sample_value("posta_key_order_rebuilding", rebuilding) == 1
                assert len(lines["key_order_not_rebuilt"]) == 1, "it alarms, and does not flood the log"
                await allow_all(world, LANE)
                await eventually(lambda: len(done) == 5, within_s=40)
                assert engine.status().order_fault is None
        assert done.index(0) < done.index(1), "in the order of the key"


async def test_ordered_retries_wait_as_a_whole_while_kafka_does_not_say_whether_anybody_stands_in_a_lane(
    guarded, topic_prefix
):
    async with rig(guarded.bootstrap_servers, topic_prefix) as world:
        done: list[int] = []

        async def handler(message):
            done.append(number_of(message))

        await allow_only(world, LANE, DESCRIBE_CONFIGS)
        engine = world.engine(handler, policy=ORDERED)
        async with running(engine):
            await world.feed(*(event(number, key=f"k{number}") for number in range(8)))
            await eventually(lambda: LANE in (engine.status().order_fault or ""), within_s=30)
            assert LANE in (await engine.ready_fault() or "")
            assert await engine.live_fault() is None, "a restart would help nobody"
            assert done == []
            await allow_all(world, LANE)
            await eventually(lambda: len(done) == 8, within_s=60)


async def until_somebody_stands_in(world, lane):
    consumer = AIOKafkaConsumer(bootstrap_servers=world.settings.bootstrap_servers)
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            while not (await consumer.end_offsets([lane]))[lane]:  # noqa: ASYNC110 - no broker tells
                await asyncio.sleep(0.1)
    finally:
        await consumer.stop()
