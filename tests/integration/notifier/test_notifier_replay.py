"""F25's live part: dead deliveries are replayed while others are made, and each is shown once.

A small run is part of `make test`; the one of a thousand dead letters, in which the console is killed in
the middle of the replay, of `make chaos`.
"""

import asyncio

import asyncpg
import httpx
import pytest
from support.deliveries import published
from support.dlq_console import api_keys
from support.dlq_rig import TOPICS
from support.notifier_rig import notifier_world
from support.pace import register, registry_env
from support.processes import service
from support.sandbox_server import sandbox_server

from posta.kafka.topics import apply
from posta.postgres.destinations import DestinationRegistry
from posta.postgres.pool import Database
from posta.settings import DatabaseSettings

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(kafka, topic_prefix, database_url, tmp_path):
    with sandbox_server() as sandbox:
        async with notifier_world(
            kafka.bootstrap_servers, topic_prefix, database_url, sandbox, tmp_path
        ) as world:
            await apply(world.kafka.settings, TOPICS)
            yield world


async def enable(world, name):
    database = Database(DatabaseSettings(url=world.database_url), application="test")
    try:
        assert await DestinationRegistry(database).enable(name)
    finally:
        await database.close()


async def indexed(world, state):
    """How many dead letters are in this state."""
    connection = await asyncpg.connect(world.database_url)
    try:
        return await connection.fetchval("SELECT count(*) FROM dead_letter WHERE state = $1", state)
    finally:
        await connection.close()


async def until_half_replayed(world, count):
    async with asyncio.timeout(60):
        while await indexed(world, "replayed") < count / 2:  # noqa: ASYNC110 - another process's rows: there is no event
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("dead", "live", "kills"),
    [
        pytest.param(20, 30, 0, id="twenty"),
        pytest.param(1000, 500, 1, id="a thousand, and a kill", marks=pytest.mark.chaos),
    ],
)
async def test_dead_deliveries_replayed_twice_over_amid_live_ones_are_each_shown_once(
    world, tmp_path, dead, live, kills
):
    sandbox, state = world.sandbox, world.sandbox.world.discord.state
    # What is tried is the replay: a webhook's own bucket would make a thousand take minutes.
    sandbox.world.discord.rules.webhook_limit = 0
    await register(world, ["mended", "alive"])
    state.delete_webhook(state.named_webhook("mended"))
    with world.notifier(registry_env(world)) as notifier:
        await world.feed(*(published(n, destination="mended") for n in range(dead)))
        assert len(await world.dead_letters(dead, timeout_s=30 + dead / 20)) == dead
        assert notifier.terminate() == 0
    state.create_webhook("mended", channel="mended")
    await enable(world, "mended")
    called_before = len(sandbox.calls("POST"))
    keys, listed = api_keys()
    with (
        world.notifier(registry_env(world)),
        service("dlq_admin", {**world.env, "POSTA_API_KEYS": listed}, tmp_path / "dlq-admin.log") as admin,
    ):
        async with asyncio.timeout(30):
            while await indexed(world, "open") < dead:  # noqa: ASYNC110 - another process's rows: there is no event
                await asyncio.sleep(0.1)
        fed = asyncio.create_task(
            world.feed(*(published(dead + n, destination="alive") for n in range(live)))
        )
        headers = {"authorization": f"Bearer {keys['admin']}", "idempotency-key": "mended"}
        async with httpx.AsyncClient(base_url=admin.url, headers=headers, timeout=30) as client:
            body = {"filter": {"group": "notifier"}, "limit": dead, "reason": "the webhook is back"}
            asked = [await client.post("/v1/dead-letters/replay", json=body) for _ in range(2)]
        for _ in range(kills):
            await until_half_replayed(world, dead)
            admin.kill()
            admin.start().wait_ready()
        await fed
        # The one more is the notice that tells the owner of the deleted webhook.
        await world.all_sent(dead + live + 1, within_s=60 + (dead + live) / 10)
    assert all(answer.is_success for answer in asked), [answer.text for answer in asked]
    shown = [message.embeds[0]["description"] for message in state.posts]
    expected = [f"Backup {n} failed." for n in range(dead + live)]
    notices = [text for text in shown if not text.startswith("Backup")]
    assert sorted(text for text in shown if text.startswith("Backup")) == sorted(expected)
    assert len(notices) == 1, "its owner was told once that it was gone"
    assert all(call.status == 200 for call in sandbox.calls("POST")[called_before:]), "no 429, no 404"
