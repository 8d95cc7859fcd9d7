"""F1: a member that dies at the worst moments, each by name (see ``support.chaos.killpoints``)."""

import asyncio

import pytest
from support.chaos.ledger import Did
from support.chaos.scene import scene

pytestmark = [pytest.mark.chaos, pytest.mark.integration]
RECORDS = 600


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("began:40", id="a handler was called"),
        pytest.param("handled:40", id="handled, nothing published"),
        pytest.param("publishing:40", id="the result is about to be sent"),
        pytest.param("published:40", id="published, not committed"),
        pytest.param("committing:2", id="in the middle of a commit"),
        pytest.param("committed:2", id="just committed"),
    ],
)
async def test_a_kill_at_this_point_loses_nothing_and_repeats_only_what_was_not_committed(
    kafka, topic_prefix, tmp_path, point
):
    async with scene(
        kafka.bootstrap_servers, topic_prefix, tmp_path, session_timeout_s=4, handler_s=0.02
    ) as on:
        (doomed,) = await on.crew.start(kill_at=point)
        await on.world.feed(0, 1)
        await on.until_ended(1)
        feeding = asyncio.create_task(on.world.feed(1, RECORDS - 1, per_s=120))
        await on.crew.suicide(doomed)
        assert on.entries(Did.BEGAN), "it had begun to work"
        await on.crew.start(2)
        await feeding
        await on.until_quiet()
        after = await on.finish()
    print(after)
    after.check_strictly()
