"""F3: a member that is frozen beyond its session, and wakes up as a zombie with work in its hands."""

import asyncio

import pytest
from support.chaos.ledger import Did
from support.chaos.scene import scene

pytestmark = [pytest.mark.chaos, pytest.mark.integration]
SESSION_S = 4
RECORDS = 1_600


async def test_a_zombie_commits_nothing_its_late_publish_is_harmless_and_it_joins_again(
    kafka, topic_prefix, tmp_path
):
    async with scene(
        kafka.bootstrap_servers, topic_prefix, tmp_path, session_timeout_s=SESSION_S, handler_s=0.2
    ) as on:
        zombie, other = await on.crew.start(2)
        feeding = asyncio.create_task(on.world.feed(0, RECORDS, per_s=80))
        await on.until(
            lambda: all(
                sum(one.pid == pid for one in on.entries(Did.ENDED)) > 80 for pid in (zombie.pid, other.pid)
            )
        )
        await on.crew.freeze(zombie, SESSION_S + 6)
        woke = zombie.frozen[-1][1]
        await feeding
        await on.until_quiet()
        after = await on.finish()
    print(after)
    after.check()
    assert not after.verdict.unexplained
    assert any(f"member {zombie.number}:" in line for line in after.expulsions), (
        "the group went on without it"
    )
    began_before, ended_after = (
        {
            one.record
            for one in on.entries(did)
            if one.pid == zombie.pid and (one.at < woke) is (did is Did.BEGAN)
        }
        for did in (Did.BEGAN, Did.ENDED)
    )
    by_other = {one.record for one in on.entries(Did.ENDED) if one.pid == other.pid}
    assert began_before & ended_after & by_other, "it woke in the middle of what another had done meanwhile"
    assert ended_after - began_before, "and did its share again as a member"
