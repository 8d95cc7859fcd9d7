"""F8: the broker hangs for longer than every session (a grey failure) and then goes on."""

import asyncio
import signal

import pytest
from support.chaos.scene import scene

pytestmark = [pytest.mark.chaos, pytest.mark.integration]
RECORDS = 3_000


async def test_a_broker_frozen_for_45_s_costs_no_record_and_no_member(own_kafka, topic_prefix, tmp_path):
    broker = own_kafka()
    await broker.start()
    async with scene(broker.bootstrap_servers, topic_prefix, tmp_path / "run", handler_s=0.05) as on:
        members = await on.crew.start(2)
        feeding = asyncio.create_task(on.world.feed_stubbornly(0, RECORDS, per_s=200))
        await on.until_ended(300)
        with on.crew.outage():
            broker.signal(signal.SIGSTOP)
            await asyncio.sleep(45)
            broker.signal(signal.SIGCONT)
        await feeding
        await on.until_quiet(within_s=120)
        assert all(member.is_alive for member in members)
        after = await on.finish()
    print(after)
    after.check()
    assert not after.verdict.unexplained, "done again is only what could not be committed"


async def test_sigterm_while_the_broker_hangs_is_obeyed_in_time(own_kafka, topic_prefix, tmp_path):
    broker = own_kafka()
    await broker.start()
    async with scene(broker.bootstrap_servers, topic_prefix, tmp_path / "run", handler_s=0.05) as on:
        (member,) = await on.crew.start(drain_s=3)
        await on.world.feed(0, 500)
        await on.until_ended(50)
        broker.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(1)
            await on.crew.terminate(member)
        finally:
            broker.signal(signal.SIGCONT)
        await on.crew.start()
        await on.until_quiet()
        after = await on.finish()
    print(after)
    assert not after.verdict.lost
    assert not after.commit_faults
    stopped_in_s = member.stopped_in_s or 0.0
    assert stopped_in_s < 11, "within the grace period"
