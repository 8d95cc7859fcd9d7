"""F5: handlers slower than the limits that Kafka's clients know."""

import pytest
from support.chaos.ledger import Did
from support.chaos.scene import scene

pytestmark = [pytest.mark.chaos, pytest.mark.integration]
SESSION_S = 4


async def test_handlers_slower_than_session_and_poll_interval_get_nobody_evicted(
    kafka, topic_prefix, tmp_path
):
    """All partitions are full and paused for longer than both limits, and polling goes on (A7)."""
    async with scene(
        kafka.bootstrap_servers,
        topic_prefix,
        tmp_path,
        session_timeout_s=SESSION_S,
        max_poll_interval_ms=5_000,
        handler_s=14,
        concurrency=8,
        records_per_partition=4,
        drain_s=1,
    ) as on:
        await on.crew.start(2)
        await on.world.feed(0, 32)
        await on.until_quiet(within_s=120)
        after = await on.finish()
    print(after)
    after.check_strictly()
    assert not after.expulsions
    assert after.verdict.completions == 32
    durations = [
        ended.at - began.at
        for ended in on.entries(Did.ENDED)
        for began in on.entries(Did.BEGAN)
        if began.record == ended.record
    ]
    assert max(durations) > 10, "the fault took place"


async def test_a_handler_slower_than_any_drain_is_cut_at_a_rebalance_and_done_by_the_next_owner(
    kafka, topic_prefix, tmp_path
):
    async with scene(
        kafka.bootstrap_servers,
        topic_prefix,
        tmp_path,
        session_timeout_s=SESSION_S,
        handler_s=60,
        handler_timeout_s=100,
        concurrency=8,
        drain_s=1,
    ) as on:
        (first,) = await on.crew.start()
        await on.world.feed(0, 16)
        await on.until(lambda: len(on.entries(Did.BEGAN)) >= 8)
        await on.crew.start(2, handler_s=0.1)
        await on.until(lambda: bool(on.entries(Did.CUT)))
        # What it got back of its own partitions it would sleep over again.
        await on.crew.terminate(first)
        await on.until_quiet()
        after = await on.finish()
    print(after)
    after.check_strictly()
    assert not after.expulsions, "the drain ended long before the rebalance would have given it up"
    assert after.verdict.completions == 16
