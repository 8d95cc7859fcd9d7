"""F4, short: a group whose members are killed, stopped and replaced while it works."""

import os

import pytest
from support.chaos.storm import Storm, rage

pytestmark = pytest.mark.integration


async def test_restarts_by_sigterm_and_kill_lose_nothing_and_repeat_only_what_a_kill_explains(
    kafka, topic_prefix, tmp_path
):
    storm = Storm(
        members=3,
        partitions=8,
        records=3_000,
        keys=240,
        restarts=4,
        over_s=8,
        most_down_s=1.0,
        seed=int(os.environ.get("POSTA_TEST_SEED", "42")),
        settings={"session_timeout_s": 4, "handler_s": 0.03, "commit_interval_s": 0.5},
    )
    after = await rage(storm, servers=kafka.bootstrap_servers, prefix=topic_prefix, folder=tmp_path)
    after.check_strictly()
    assert after.verdict.records == storm.records
