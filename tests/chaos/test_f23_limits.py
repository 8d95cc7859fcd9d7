"""F23: a member that runs into a limit of its machine fails cleanly, and the others do its work."""

import asyncio

import pytest
from support.chaos.crew import STOP_LIMIT_S
from support.chaos.ledger import Did
from support.chaos.scene import scene

pytestmark = [pytest.mark.chaos, pytest.mark.integration]
RECORDS = 1_000


async def test_a_member_without_file_descriptors_harms_nobody(kafka, topic_prefix, tmp_path):
    async with scene(
        kafka.bootstrap_servers, topic_prefix, tmp_path, handler_s=0.02, session_timeout_s=4
    ) as on:
        (poor,) = await on.crew.start(most_files=14)
        (rich,) = await on.crew.start()
        await on.world.feed(0, RECORDS, per_s=100)
        await on.until_quiet()
        after = await on.finish()
        told = poor.log.read_text()
    print(after)
    assert not after.verdict.lost
    assert not after.verdict.disordered
    assert not after.verdict.unexplained
    assert not after.commit_faults
    assert any(one.pid == rich.pid for one in on.entries(Did.ENDED))
    assert "Too many open files" in told, "the fault took place and was told"


async def test_a_member_whose_memory_has_run_out_loses_nothing_and_still_ends_when_asked_to(
    kafka, topic_prefix, tmp_path
):
    async with scene(
        kafka.bootstrap_servers, topic_prefix, tmp_path, handler_s=0.02, session_timeout_s=4
    ) as on:
        (poor,) = await on.crew.start(most_memory_mib=24, hoard_kib=512, retry_after_s=0.1)
        await on.crew.start()
        feeding = asyncio.create_task(on.world.feed(0, RECORDS, per_s=100))
        await on.until(lambda: "MemoryError" in poor.log.read_text())
        await asyncio.sleep(3)
        await on.crew.terminate(poor)
        await feeding
        await on.until_quiet()
        after = await on.finish()
    print(f"it ended with {poor.process.returncode} in {poor.stopped_in_s:.2f} s; {after}")
    assert not after.verdict.lost
    assert not after.verdict.disordered
    assert not after.verdict.unexplained
    assert not after.commit_faults
    assert (poor.stopped_in_s or 0.0) < STOP_LIMIT_S
