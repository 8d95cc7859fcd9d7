"""A member that is told to stop while a rebalance waits for somebody who does not answer."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from support.engine_rig import GROUP, event, eventually, rig
from support.kafka_admin import operator

pytestmark = pytest.mark.integration


async def members(world):
    """The ids of the group's members, as the coordinator has them."""
    async with operator(world) as admin:
        (response,) = await admin.describe_consumer_groups([world.settings.topic_prefix + GROUP.name])
        ((_, _, _, _, _, found, *_),) = response.groups
        return {member[0] for member in found}


async def test_sigterm_in_a_rebalance_that_waits_for_a_dead_member_leaves_the_group_at_once(
    kafka, topic_prefix, tmp_path
):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        begun, go = tmp_path / "begun", tmp_path / "go"
        program = Path(__file__).with_name("zombie_member.py")
        arguments = [kafka.bootstrap_servers, topic_prefix, str(begun), str(go)]
        await world.feed(event(0))
        silent = await asyncio.create_subprocess_exec(sys.executable, str(program), *arguments)
        try:
            await eventually(begun.exists, within_s=40)
            before = await members(world)
            os.kill(silent.pid, signal.SIGSTOP)

            async def handler(_message):
                return None

            stop = asyncio.Event()
            engine = world.engine(handler)
            running = asyncio.create_task(engine.run(stop))
            await asyncio.sleep(2)
            assert len(await members(world)) == 2, "it waits for the silent one, whose session lasts 6 s"
            assert not engine._intake.joined
            began = time.monotonic()
            stop.set()
            await asyncio.wait_for(running, 10)
            took_s = time.monotonic() - began
            assert await members(world) == before, "the others need not wait for it"
            assert took_s < 2.5, f"it took {took_s:.1f} s"
        finally:
            os.kill(silent.pid, signal.SIGCONT)
            silent.kill()
            await silent.wait()
