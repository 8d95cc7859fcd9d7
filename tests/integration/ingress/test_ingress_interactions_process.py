"""Ingress's rules for interactions as processes see them: shared limits, SIGHUP, the life of a question."""

import asyncio
import shutil
import signal

import httpx
import pytest
import yaml
from support.discord_caller import ask
from support.processes import REPOSITORY

from posta.postgres.migrations import migrate

pytestmark = pytest.mark.integration
LIMITS = {
    "POSTA_GOVERNOR__ENABLED": "true",
    "POSTA_GOVERNOR__MAX_MESSAGES_PER_MINUTE": "5",
    "POSTA_GOVERNOR__MAX_PER_USER_PER_MINUTE": "0",
    "POSTA_GOVERNOR__DEDUPE_WINDOW_MS": "60000",
    # A busy machine may take longer than the default for a first connection.
    "POSTA_GOVERNOR__DATABASE_BUDGET_S": "2",
}


async def types(world, *bodies):
    async with httpx.AsyncClient() as client:
        return [(await world.interact(client, body)).json()["type"] for body in bodies]


async def eventually(check, *, timeout_s=30):
    async with asyncio.timeout(timeout_s):
        while not (found := await check()):  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(0.1)
    return found


async def test_two_instances_share_every_limit(database_url, world_of):
    await migrate(database_url)
    worlds = [world_of(POSTA_DATABASE__URL=database_url, **LIMITS) for _ in range(2)]
    for world in worlds:
        await world.start()
    found = []
    for number in range(8):
        found += await types(worlds[number % 2], ask(f"question {number}"))
    assert found == [5] * 5 + [4] * 3
    stats = (await worlds[0].look_up("/admin/governor/stats")).json()
    assert stats["config"]["maxRequestsPerMinute"] == 5
    # A repetition at the other instance is folded, too.
    assert await types(worlds[0], ask("again", channel="77777")) == [5]
    assert await types(worlds[1], ask("again", channel="77777")) == [4]


async def test_without_postgresql_limits_hold_in_each_process_and_people_are_answered(world_of):
    world = world_of(POSTA_DATABASE__URL="postgresql://posta@127.0.0.1:1/posta", **LIMITS)
    await world.start()
    assert await types(world, *(ask(f"question {n}") for n in range(7))) == [5] * 5 + [4] * 2
    stats = (await world.look_up("/admin/governor/stats")).json()
    assert stats["rateLimiter"]["memoryFallback"] is True
    assert stats["rateLimiter"]["activeKeys"] > 0
    assert (await world.look_up("/v1/interactions/1")).status_code == 503


async def test_an_interaction_can_be_asked_for_by_its_id(database_url, world_of):
    await migrate(database_url)
    world = world_of(POSTA_DATABASE__URL=database_url)
    await world.start()
    body = ask("something private")
    assert await types(world, body) == [5]

    async def noted():
        response = await world.look_up(f"/v1/interactions/{body['id']}")
        return response if response.status_code == 200 else None

    response = await eventually(noted)
    found = response.json()
    assert (found["id"], found["state"], found["attempts"]) == (body["id"], "PENDING", 0)
    assert (found["command"], found["kind"]) == ("ask", 2)
    assert len(found["trace_id"]) == 32
    assert found["accepted_at"] is not None
    assert "private" not in response.text
    assert (await world.look_up("/v1/interactions/42")).status_code == 404
    assert (await world.look_up("/v1/interactions/x")).status_code == 422


async def test_sighup_reads_the_rules_again_and_a_wrong_file_changes_nothing(tmp_path, world_of):
    config = tmp_path / "config"
    shutil.copytree(REPOSITORY / "deploy" / "config", config)
    world = world_of(POSTA_CONFIG_DIR=str(config))
    await world.start()
    file = config / "commands.yaml"
    rules = yaml.safe_load(file.read_text())
    rules["commands"]["help"]["action"]["reply"]["text"]["en"] = "New words."
    new = ask(data={"name": "help", "type": 1})

    async def says(text):
        async with httpx.AsyncClient() as client:
            return text in (await world.interact(client, new)).json()["data"]["content"]

    assert not await says("New words.")
    file.write_text(yaml.safe_dump(rules))
    world.process.signal(signal.SIGHUP)
    await eventually(lambda: says("New words."))

    file.write_text("commands: {}")
    world.process.signal(signal.SIGHUP)

    async def refused():
        return await world.metric('posta_config_reloads_total{outcome="refused"}') == 1

    await eventually(refused)
    assert await says("New words.")
    assert "commands.yaml: commands: " in world.process.log.read_text()


async def test_several_applications_are_served_and_none_speaks_for_another(world_of):
    world = world_of()
    other = type(world.caller)()
    keys = f"1380486651436073092:{world.caller.public_key},1380486651436073093:{other.public_key}"
    world.process._env["POSTA_DISCORD__PUBLIC_KEYS"] = keys
    await world.start()
    async with httpx.AsyncClient() as client:

        async def status(caller, application):
            body = ask(application_id=application)
            url = f"{world.process.url}/discord-interactions"
            return (await client.post(url, **caller.request(body))).status_code

        assert await status(world.caller, "1380486651436073092") == 200
        assert await status(other, "1380486651436073093") == 200
        assert await status(other, "1380486651436073092") == 401


async def test_earlier_names_of_variables_are_taken_and_logged(world_of):
    world = world_of(
        POSTA_DATABASE__URL="postgresql://posta@127.0.0.1:1/posta",
        GOVERNOR_ENABLED="true",
        GOVERNOR_MAX_MESSAGES_PER_MINUTE="3",
    )
    del world.process._env["POSTA_GOVERNOR__ENABLED"]
    await world.start()
    stats = (await world.look_up("/admin/governor/stats")).json()
    assert stats["config"]["maxRequestsPerMinute"] == 3
    log = world.process.log.read_text()
    assert '"earlier_variable_name"' in log
    assert "POSTA_GOVERNOR__MAX_MESSAGES_PER_MINUTE" in log
