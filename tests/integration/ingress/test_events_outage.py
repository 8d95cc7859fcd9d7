"""Publishing while Kafka is away and PostgreSQL hangs, with a key that is only in PostgreSQL."""

import asyncio
import time
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from pydantic import SecretStr
from support.tcp_gate import TcpGate

from posta.postgres.api_keys import KeyTable
from posta.postgres.migrations import migrate
from posta.postgres.pool import Database
from posta.settings import DatabaseSettings

pytestmark = pytest.mark.integration


@pytest.fixture
def gate(database_url):
    parts = urlsplit(database_url)
    made = TcpGate((parts.hostname or "127.0.0.1", parts.port or 5432))
    account = parts.netloc.rpartition("@")[0]
    made.url = urlunsplit(parts._replace(netloc=f"{account}@127.0.0.1:{made.port}"))
    yield made
    made.close()


async def fresh_key(url):
    await migrate(url)
    database = Database(DatabaseSettings(url=SecretStr(url)), application="test")
    try:
        made = await KeyTable(database).create("scripts", scopes={"events:publish"}, destinations={"ops"})
        return made.secret
    finally:
        await database.close()


async def test_events_are_accepted_in_time_while_everything_else_is_away_even_after_kill_9(
    database_url, gate, world_of
):
    key = await fresh_key(database_url)
    world = world_of(POSTA_DATABASE__URL=gate.url)
    world.api_key = key
    accepted = []
    await world.start()
    async with httpx.AsyncClient() as client:
        first = await world.publish(client, {"type": "x"}, **{"idempotency-key": "first"})
        assert "posta-idempotency" not in first.headers
        accepted.append(first)
        gate.hang()
        slowest_s = 0.0
        for number in range(15):
            started = time.monotonic()
            accepted.append(await world.publish(client, {"type": "x"}, **{"idempotency-key": f"k{number}"}))
            slowest_s = max(slowest_s, time.monotonic() - started)
        assert accepted[-1].headers["posta-idempotency"] == "best-effort"
        fate = await client.get(
            f"{world.process.url}/v1/events/{first.json()['id']}",
            headers={"authorization": f"Bearer {key}"},
            timeout=30,
        )
        assert fate.status_code == 503
    await asyncio.to_thread(world.process.kill)
    await world.start()
    async with httpx.AsyncClient() as client:
        accepted.append(await world.publish(client, {"type": "x"}))
    await asyncio.to_thread(world.process.kill)
    assert {response.status_code for response in accepted} == {202}
    # Waiting for PostgreSQL is bounded by half a second; the rest is room for a busy machine.
    assert slowest_s < 10
    assert sorted(world.spooled()) == sorted(response.json()["id"] for response in accepted)
