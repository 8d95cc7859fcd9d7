"""F25's live part: dead deliveries are replayed while others are made, and each is shown once."""

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
DEAD, LIVE = 20, 30


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


async def indexed(world):
    connection = await asyncpg.connect(world.database_url)
    try:
        return await connection.fetchval("SELECT count(*) FROM dead_letter WHERE state = 'open'")
    finally:
        await connection.close()


async def test_dead_deliveries_replayed_twice_over_amid_live_ones_are_each_shown_once(world, tmp_path):
    sandbox, state = world.sandbox, world.sandbox.world.discord.state
    await register(world, ["mended", "alive"])
    state.delete_webhook(state.named_webhook("mended"))
    with world.notifier(registry_env(world)) as notifier:
        await world.feed(*(published(n, destination="mended") for n in range(DEAD)))
        assert len(await world.dead_letters(DEAD, timeout_s=30)) == DEAD
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
            while await indexed(world) < DEAD:  # noqa: ASYNC110 - another process's rows: there is no event
                await asyncio.sleep(0.1)
        live = asyncio.create_task(
            world.feed(*(published(100 + n, destination="alive") for n in range(LIVE)))
        )
        headers = {"authorization": f"Bearer {keys['admin']}", "idempotency-key": "mended"}
        async with httpx.AsyncClient(base_url=admin.url, headers=headers, timeout=30) as client:
            body = {"filter": {"group": "notifier"}, "limit": 100, "reason": "the webhook is back"}
            asked = [await client.post("/v1/dead-letters/replay", json=body) for _ in range(2)]
        await live
        # The one more is the notice that tells the owner of the deleted webhook.
        await world.all_sent(DEAD + LIVE + 1, within_s=60)
    assert all(answer.is_success for answer in asked), [answer.text for answer in asked]
    shown = [message.embeds[0]["description"] for message in state.posts]
    expected = [f"Backup {n} failed." for n in (*range(DEAD), *range(100, 100 + LIVE))]
    notices = [text for text in shown if not text.startswith("Backup")]
    assert sorted(text for text in shown if text.startswith("Backup")) == sorted(expected)
    assert len(notices) == 1, "its owner was told once that it was gone"
    assert all(call.status == 200 for call in sandbox.calls("POST")[called_before:]), "no 429, no 404"
