"""F13: clocks that are wrong or jump by ten minutes while records wait: none is early, none is forgotten."""

import asyncio

import pytest
from support.chaos.ledger import Did
from support.chaos.scene import Scene, scene

pytestmark = [pytest.mark.chaos, pytest.mark.integration]
TEN_MINUTES_S = 600.0
RECORDS = 120
ROUNDING_S = 0.005
"""Due times travel in whole milliseconds."""


def waits(on: Scene) -> list[float]:
    """How long each record waited from its failure to its second attempt, by the true clock."""
    failed = {one.record: one.at for one in on.entries(Did.FAILED)}
    seconds: dict[tuple[int, int], float] = {}
    for one in on.entries(Did.BEGAN):
        if one.attempt == 2:
            seconds.setdefault(one.record, one.at - failed[one.record])
    return list(seconds.values())


WAIT_S = pytest.mark.parametrize(
    "wait_s", [pytest.param(0.9, id="in memory"), pytest.param(4.2, id="in lanes")]
)
SHIFT_S = pytest.mark.parametrize(
    "shift_s", [pytest.param(TEN_MINUTES_S, id="ahead"), pytest.param(-TEN_MINUTES_S, id="back")]
)


@WAIT_S
@SHIFT_S
async def test_a_member_whose_clock_was_always_wrong_keeps_its_own_times(
    kafka, topic_prefix, tmp_path, wait_s, shift_s
):
    async with scene(
        kafka.bootstrap_servers, topic_prefix, tmp_path, fail_share=1, retry_after_s=wait_s
    ) as on:
        await on.crew.start(clock_skew_s=shift_s)
        await on.world.feed(0, RECORDS)
        await on.until_quiet()
        after = await on.finish()
        print(f"waited {min(waits(on)):.3f} to {max(waits(on)):.3f} s of {wait_s} s; {after}")
        after.check_strictly()
        assert len(waits(on)) == RECORDS
        assert min(waits(on)) >= wait_s - ROUNDING_S, "never early"
        assert max(waits(on)) < wait_s + 20, "nor forgotten"


@WAIT_S
@SHIFT_S
async def test_a_clock_that_jumps_while_records_wait_makes_none_early_and_none_ten_minutes_late(
    kafka, topic_prefix, tmp_path, wait_s, shift_s
):
    jump = tmp_path / "jump"
    async with scene(
        kafka.bootstrap_servers, topic_prefix, tmp_path / "run", fail_share=1, retry_after_s=wait_s
    ) as on:
        await on.crew.start(clock_jump=jump)
        await on.world.feed(0, RECORDS)
        await on.until(lambda: len(on.entries(Did.FAILED)) == RECORDS)
        jump.write_text(str(shift_s))
        await on.until_quiet(within_s=60)
        after = await on.finish()
        print(f"waited {min(waits(on)):.3f} to {max(waits(on)):.3f} s of {wait_s} s; {after}")
        after.check()
        assert not after.verdict.unexplained
        assert min(waits(on)) >= wait_s - ROUNDING_S, "never early"
        assert max(waits(on)) < wait_s + 20, "nor forgotten"


@SHIFT_S
async def test_what_a_member_put_into_a_lane_after_its_clock_jumped_is_not_early_for_the_next_owner(
    kafka, topic_prefix, tmp_path, shift_s
):
    jump = tmp_path / "jump"
    async with scene(
        kafka.bootstrap_servers,
        topic_prefix,
        tmp_path / "run",
        session_timeout_s=4,
        fail_share=1,
        retry_after_s=8,
    ) as on:
        (jumped,) = await on.crew.start(clock_jump=jump, commit_interval_s=0.3)
        await on.crew.until_up(jumped)
        await asyncio.sleep(2)
        jump.write_text(str(shift_s))
        await on.world.feed(0, RECORDS)
        await on.until(lambda: len(on.entries(Did.FAILED)) == RECORDS)
        await asyncio.sleep(1)
        await on.crew.terminate(jumped)
        await on.crew.start()
        await on.until_quiet(within_s=60)
        after = await on.finish()
        print(f"waited {min(waits(on)):.3f} to {max(waits(on)):.3f} s of 8 s; {after}")
        after.check()
        assert not after.verdict.unexplained
        assert min(waits(on)) >= 8 - ROUNDING_S, "never early"
        assert max(waits(on)) < 8 + 20, "nor forgotten"
