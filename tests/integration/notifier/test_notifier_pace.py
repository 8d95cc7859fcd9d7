"""Two notifiers and many webhooks under Discord's limits: as fast as allowed, never faster, and fairly."""

import asyncio
import time

import pytest
from support.deliveries import published
from support.notifier_rig import notifier_world
from support.pace import register, registry_env, run_paced
from support.sandbox_server import sandbox_server

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(kafka, topic_prefix, database_url, tmp_path):
    with sandbox_server() as sandbox:
        async with notifier_world(
            kafka.bootstrap_servers, topic_prefix, database_url, sandbox, tmp_path
        ) as world:
            yield world


async def test_two_notifiers_share_every_limit_without_a_single_429(world, tmp_path):
    rules = world.sandbox.world.discord.rules
    rules.webhook_limit, rules.webhook_window_s, rules.global_limit = 5, 1.0, 30
    pace = await run_paced(
        world, webhooks=8, messages=240, allowed_per_s=30, warm_up_s=2, logs=tmp_path, within_s=120
    )
    print(f"{pace.used:.0%} of the allowed rate, {pace.furthest_from_fair:.0%} from fair")
    assert pace.refused == 0
    # In so few seconds, on a busy machine: the full proof is in tests/chaos/test_notifier_pace.py.
    assert pace.used >= 0.5
    assert pace.furthest_from_fair <= 0.5
    assert len(world.sandbox.posts()) == 240


async def test_a_flood_to_one_webhook_leaves_the_others_as_fast_as_they_were(world):
    await register(world, ["flooded", "quiet-1", "quiet-2"])
    sandbox = world.sandbox
    began_at = time.time()
    with world.notifier(registry_env(world)):
        await world.feed(*(published(n, destination="flooded") for n in range(300)))
        await world.until(lambda: len(sandbox.calls("POST")) >= 5)
        waits_s = []
        for n in range(8):
            fed_at = time.time()
            await world.feed(published(1000 + n, destination=f"quiet-{n % 2 + 1}", data={"message": f"q{n}"}))
            await world.until(lambda n=n: f"q{n}" in sandbox.posts())
            waits_s.append(time.time() - fed_at)
            await asyncio.sleep(0.6)
        left = 300 - sum(
            c.hints.get("webhook") == "flooded" and c.status == 200 for c in sandbox.calls("POST")
        )
    print(f"waits while {left} wait for one webhook: {[round(w, 3) for w in waits_s]} s")
    assert left > 200, "the flood was still there"
    assert sorted(waits_s)[len(waits_s) // 2] < 2.0, "a webhook's window is 2 s: nobody waited for another's"
    assert all(call.status == 200 for call in sandbox.calls("POST"))
    lines = [line for line in world.log.read_text().splitlines() if "discord_bucket_closed" in line]
    windows = (time.time() - began_at) / sandbox.world.discord.rules.webhook_window_s
    assert 1 <= len(lines) <= 3 * (windows + 2), "a line per bucket and window, however many wait"
    assert "message_will_be_retried" not in world.log.read_text(), "who waits its turn is no failure"
