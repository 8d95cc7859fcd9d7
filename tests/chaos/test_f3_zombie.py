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


def ended_by(on, member) -> int:
    return sum(one.pid == member.pid for one in on.entries(Did.ENDED))


async def two_static_members(on, records):
    """Members ``a`` and ``b``, both at work, and the task that feeds them."""
    (zombie,) = await on.crew.start(group_instance_id="a")
    (other,) = await on.crew.start(group_instance_id="b")
    feeding = asyncio.create_task(on.world.feed(0, records, per_s=60))
    await on.until(lambda: min(ended_by(on, one) for one in (zombie, other)) > 40)
    return zombie, other, feeding


async def test_a_static_member_that_comes_back_from_the_dead_twice_is_a_member_again_each_time(
    kafka, topic_prefix, tmp_path
):
    async with scene(
        kafka.bootstrap_servers, topic_prefix, tmp_path, session_timeout_s=SESSION_S, handler_s=0.2
    ) as on:
        zombie, _, feeding = await two_static_members(on, 2 * RECORDS)
        for _ in range(2):
            before = ended_by(on, zombie)
            await on.crew.freeze(zombie, SESSION_S + 4)
            # More than it can have had in its hands.
            await on.until(lambda before=before: ended_by(on, zombie) > before + 150)
        await feeding
        await on.until_quiet()
        assert zombie.is_alive, "nobody else has its id"
        after = await on.finish()
    print(after)
    after.check()
    assert not after.verdict.unexplained
    lost = [line for line in after.expulsions if f"member {zombie.number}:" in line]
    assert len(lost) >= 2, "the group went on without it, twice"


async def test_a_static_member_that_was_replaced_while_it_stood_still_ends_when_it_wakes_and_disturbs_nobody(
    kafka, topic_prefix, tmp_path
):
    async with scene(
        kafka.bootstrap_servers, topic_prefix, tmp_path, session_timeout_s=SESSION_S, handler_s=0.2
    ) as on:
        zombie, other, feeding = await two_static_members(on, RECORDS)
        frozen = asyncio.create_task(on.crew.freeze(zombie, SESSION_S + 6))
        await asyncio.sleep(1)
        (successor,) = await on.crew.start(group_instance_id="a")
        await frozen
        code = await asyncio.wait_for(zombie.process.wait(), 30)
        await feeding
        await on.until_quiet()
        assert successor.is_alive
        assert other.is_alive
        after = await on.finish()
    print(after)
    after.check()
    assert not after.verdict.unexplained
    assert code == 78
    assert any(line.get("event") == "member_fenced" for line in zombie.lines())
    assert not any(f"member {successor.number}:" in line for line in after.expulsions), "it kept its place"
