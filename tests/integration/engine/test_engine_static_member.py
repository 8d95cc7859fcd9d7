"""Static members on real Kafka: a restart keeps its partitions, a double of a member is found out."""

import asyncio
import time

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.group import JoinGroupRequest
from support.engine_rig import GROUP, SOURCE, event, eventually, number_of, rig, running
from support.kafka_admin import add_partitions

from posta.domain.envelope import encode
from posta.engine.engine import Engine
from posta.errors import ConfigurationError

pytestmark = pytest.mark.integration


def member(world, instance_id, handler):
    settings = world.settings.model_copy(update={"group_instance_id": instance_id})
    return Engine(GROUP, handler, kafka=settings, producer=world.producer)


def shared(engine) -> bool:
    """Whether it is a member and has its half of the partitions."""
    return engine.status().joined and len(engine.status().assigned) == 3


async def test_a_static_member_comes_back_to_its_partitions_and_the_others_do_not_notice(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        done: list[tuple[str, int]] = []

        def handler(name):
            async def handle(message):
                done.append((name, number_of(message)))

            return handle

        steady = member(world, "b", handler("b"))
        async with running(steady):
            first = member(world, "a", handler("a"))
            async with running(first):
                await eventually(lambda: shared(steady) and shared(first), within_s=30)
            for _ in range(25):  # longer than a heartbeat's interval, shorter than the session
                assert len(steady.status().assigned) <= 3, "what is the absent one's stays its own"
                await asyncio.sleep(0.1)
            async with running(member(world, "a", handler("a again"))):
                for number in range(8):
                    await world.feed(event(number, key=f"k{number}"))
                await eventually(lambda: len({number for _, number in done}) == 8, within_s=30)
            assert {name for name, _ in done} == {"a again", "b"}
            assert len(steady.status().assigned) == 3


async def test_a_static_member_ends_within_five_seconds_of_sigterm_also_while_a_round_waits_for_somebody_else(
    kafka, topic_prefix
):
    """It says no goodbye, so nothing but its client's own stop takes time."""
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:

        async def handler(_message):
            return None

        took_s = []
        steady = member(world, "b", handler)
        async with running(steady):
            alone, stop = member(world, "a", handler), asyncio.Event()
            task = asyncio.create_task(alone.run(stop))
            await eventually(lambda: shared(steady) and shared(alone), within_s=30)
            took_s.append(await stopped_in(stop, task))
            # A third one begins a round that waits for the absent one; it is told to stop meanwhile.
            third, stop = member(world, "c", handler), asyncio.Event()
            task = asyncio.create_task(third.run(stop))
            await asyncio.sleep(2)
            took_s.append(await stopped_in(stop, task))
        assert max(took_s) < 6, f"{took_s}: five seconds, and what the test itself takes"


async def stopped_in(stop, task):
    """Seconds from the word to stop to the end of ``run``."""
    began = time.monotonic()
    stop.set()
    await asyncio.wait_for(task, 30)
    return time.monotonic() - began


async def test_the_older_of_two_processes_with_one_instance_id_ends_with_a_clear_error(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        done: list[int] = []

        async def handler(message):
            done.append(number_of(message))

        older, newer = member(world, "twin", handler), member(world, "twin", handler)
        stop = asyncio.Event()
        task = asyncio.create_task(older.run(stop))
        await eventually(lambda: older.status().joined, within_s=30)
        async with running(newer):
            with pytest.raises(ConfigurationError, match="'twin'"):
                await asyncio.wait_for(task, 40)
            await world.feed(event(1))
            await eventually(lambda: done == [1], within_s=30)


@pytest.mark.parametrize("is_back", [False, True], ids=["it stays", "it was started again"])
async def test_partitions_added_while_a_static_member_runs_are_read(kafka, topic_prefix, is_back):
    """Kafka does not tell a leader that was started again that it leads (KIP-814)."""
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        done: list[int] = []

        async def handler(message):
            done.append(number_of(message))

        if is_back:
            before = member(world, "a", handler)
            async with running(before):
                await eventually(lambda: len(before.status().assigned) == 6, within_s=30)
        engine = member(world, "a", handler)
        async with running(engine):
            await eventually(lambda: len(engine.status().assigned) == 6, within_s=30)
            await add_partitions(world, [topic.name for topic in (SOURCE, *GROUP.lanes)], total=4)
            await consumer_of(engine)._client.force_metadata_update()
            await eventually(lambda: len(engine.status().assigned) == 12, within_s=30)
            for number in range(4):
                wire = encode(event(number, key=f"k{number}"))
                await world.producer.publish(SOURCE.name, [wire], timeout_s=10, partition=number)
            await eventually(lambda: sorted(done) == [0, 1, 2, 3], within_s=30)


async def test_a_static_member_whose_connection_is_cut_while_it_joins_takes_itself_for_nobody_else(
    kafka, topic_prefix
):
    """Each join is carried out and its answer lost, so the next one replaces a member that was ourselves."""
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        done: list[int] = []

        async def handler(message):
            done.append(number_of(message))

        engine = member(world, "a", handler)
        async with running(engine):
            await eventually(lambda: engine.status().joined, within_s=30)
            consumer = consumer_of(engine)
            for number in range(3):
                lost = cut_next_join(consumer)
                # What aiokafka does when the coordinator says that it does not know us.
                consumer._coordinator.reset_generation()
                await asyncio.wait_for(lost.wait(), 20)
                await world.feed(event(number))
                await eventually(lambda number=number: number in done, within_s=30)
            assert consumer_of(engine) is consumer


def consumer_of(engine):
    return engine._intake._consumer


def cut_next_join(consumer):
    """Cut the connection when the coordinator has carried the next join out; tells when it has happened."""
    client, lost = consumer._client, asyncio.Event()
    send = client.send

    async def cut(node_id, request, **options):
        if not isinstance(request, JoinGroupRequest) or lost.is_set():
            return await send(node_id, request, **options)
        await send(node_id, request, **options)
        lost.set()
        client.send = send
        client._conns[(node_id, options["group"])].close()
        raise KafkaConnectionError("cut by the test")

    client.send = cut
    return lost
