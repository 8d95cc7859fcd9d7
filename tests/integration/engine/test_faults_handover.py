"""F1: a partition that changes hands twice in quick succession forgets nothing of what is finished."""

import asyncio

import pytest
from support.engine_rig import event, eventually, number_of, rig, running

from posta.engine.policy import EnginePolicy

pytestmark = pytest.mark.integration


async def test_an_owner_that_has_not_read_all_that_was_finished_hands_it_on_all_the_same(kafka, topic_prefix):
    """Its commit replaces the one that named them, before it has met them itself."""
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        done: list[int] = []
        let_go = asyncio.Event()

        async def first(message):
            if number_of(message) == 0:
                await let_go.wait()
            done.append(number_of(message))

        for number in range(2_000):
            await world.feed(event(number, key=f"k{number}"))
        policy = EnginePolicy(drain_s=0.2, commit_interval_s=0.1)
        async with running(world.engine(first, policy=policy)):
            await eventually(lambda: len(done) == 1_999, within_s=30)

        begun = asyncio.Event()

        async def second(message):
            begun.set()
            await first(message)

        async with running(world.engine(second, policy=policy)) as stop:
            await begun.wait()
            stop.set()  # long before it has read them all
        let_go.set()
        async with running(world.engine(first, policy=policy)):
            await eventually(lambda: 0 in done)
            await asyncio.sleep(1)
        assert sorted(done) == list(range(2_000)), "each once"
        assert await world.committed() == 2_000
