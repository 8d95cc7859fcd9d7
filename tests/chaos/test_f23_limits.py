"""F23: a member that runs into a limit of its machine fails cleanly, and the others do its work."""

import pytest
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
        await on.until_quiet(RECORDS)
        after = await on.finish()
        told = poor.log.read_text()
    print(after)
    assert not after.verdict.lost
    assert not after.verdict.disordered
    assert not after.verdict.unexplained
    assert not after.commit_faults
    assert any(one.pid == rich.pid for one in on.entries(Did.ENDED))
    assert "Too many open files" in told, "the fault took place and was told"


async def test_a_member_without_memory_harms_nobody(kafka, topic_prefix, tmp_path):
    async with scene(
        kafka.bootstrap_servers, topic_prefix, tmp_path, handler_s=0.02, session_timeout_s=4
    ) as on:
        (poor,) = await on.crew.start(most_memory_mib=2)
        await on.crew.start()
        await on.world.feed(0, RECORDS, per_s=100)
        await on.until_quiet(RECORDS)
        after = await on.finish()
        told = poor.log.read_text()
    print(after)
    assert not after.verdict.lost
    assert not after.verdict.disordered
    assert not after.verdict.unexplained
    assert not after.commit_faults
    assert "MemoryError" in told, "the fault took place and was told"
