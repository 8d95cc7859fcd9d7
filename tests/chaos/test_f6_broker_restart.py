"""F6: the only broker goes and comes back, asked to or killed, while the group works."""

import asyncio
import signal

import pytest
from support.chaos.scene import scene

pytestmark = [pytest.mark.chaos, pytest.mark.integration]
RECORDS = 3_000


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
async def test_a_broker_that_restarts_costs_no_record_and_no_member(own_kafka, topic_prefix, tmp_path, how):
    broker = own_kafka()
    await broker.start()
    async with scene(broker.bootstrap_servers, topic_prefix, tmp_path / "run", handler_s=0.05) as on:
        members = await on.crew.start(2)
        feeding = asyncio.create_task(on.world.feed_stubbornly(0, RECORDS, per_s=200))
        await on.until_ended(300)
        for _ in range(2):
            with on.crew.outage():
                broker.signal(how)
                await broker.wait()
                await asyncio.sleep(3)
                await broker.start()
            await asyncio.sleep(5)
        await feeding
        await on.until_quiet()
        assert all(member.is_alive for member in members)
        after = await on.finish()
    print(after)
    after.check()
    assert not after.verdict.unexplained, "done again is only what could not be committed"
