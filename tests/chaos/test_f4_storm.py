"""F4 in full: a rebalance storm over a group of eight (after Sentry's taskbroker)."""

import os

import pytest
from support.chaos.storm import Storm, rage

pytestmark = [pytest.mark.chaos, pytest.mark.integration]


async def test_a_storm_of_restarts_loses_nothing_keeps_order_and_repeats_only_what_a_kill_explains(
    kafka, topic_prefix, tmp_path
):
    storm = Storm(
        members=8,
        partitions=32,
        records=100_000,
        keys=2_000,
        restarts=16,
        over_s=120,
        most_down_s=5,
        seed=int(os.environ.get("POSTA_TEST_SEED", "42")),
        quiet_s=240,
        settings={"handler_s": 0.04, "session_timeout_s": 10},
    )
    after = await rage(storm, servers=kafka.bootstrap_servers, prefix=topic_prefix, folder=tmp_path)
    after.check_strictly()
    assert after.verdict.records == storm.records
