"""Static members on real Kafka: a restart keeps its partitions, a double of a member is found out."""

import asyncio

import pytest
from prometheus_client import REGISTRY
from support.engine_rig import GROUP, event, eventually, number_of, rig, running

from posta.engine.engine import Engine
from posta.errors import ConfigurationError

pytestmark = pytest.mark.integration


def member(world, instance_id, handler):
    settings = world.settings.model_copy(update={"group_instance_id": instance_id})
    return Engine(GROUP, handler, kafka=settings, producer=world.producer)


def rebalances() -> float:
    return REGISTRY.get_sample_value("posta_rebalances_total", {"group": GROUP.name}) or 0.0


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
            before = rebalances()
            async with running(member(world, "a", handler("a again"))):
                for number in range(8):
                    await world.feed(event(number, key=f"k{number}"))
                await eventually(lambda: len({number for _, number in done}) == 8, within_s=30)
            assert {name for name, _ in done} == {"a again", "b"}
            assert rebalances() == before + 1, "only the one that came back was given an assignment"
            assert len(steady.status().assigned) == 3


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
