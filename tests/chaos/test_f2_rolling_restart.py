"""F2: every member in turn is asked to stop and replaced while the group works, as a deployment does."""

import asyncio

import pytest
from support.chaos.scene import scene

pytestmark = [pytest.mark.chaos, pytest.mark.integration]
RECORDS = 4_000


async def test_a_rolling_restart_under_load_repeats_nothing(kafka, topic_prefix, tmp_path):
    async with scene(
        kafka.bootstrap_servers, topic_prefix, tmp_path, partitions=8, keys=200, handler_s=0.05
    ) as on:
        old = await on.crew.start(3)
        feeding = asyncio.create_task(on.world.feed(0, RECORDS, per_s=200))
        await on.until_ended(100)
        for member in old:
            (successor,) = await on.crew.start()
            await on.crew.until_up(successor)
            await on.crew.terminate(member)
        await feeding
        await on.until_quiet()
        after = await on.finish()
    print(after)
    after.check_strictly()
    assert after.verdict.completions == RECORDS, "each exactly once"
    assert after.stops == 6
