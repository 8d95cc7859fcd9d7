"""Notifier killed and stopped in the middle of its work: nothing lost, nothing shown twice."""

import asyncio

import pytest
from support.deliveries import published
from support.notifier_rig import notifier_world
from support.sandbox_server import sandbox_server

pytestmark = pytest.mark.integration


@pytest.fixture
def sandbox():
    with sandbox_server() as sandbox:
        yield sandbox


@pytest.fixture
async def world(kafka, topic_prefix, database_url, sandbox, tmp_path):
    async with notifier_world(
        kafka.bootstrap_servers, topic_prefix, database_url, sandbox, tmp_path
    ) as world:
        yield world


def kill_at(sandbox, process, *, method, number):
    """kill -9 when Discord has carried out the ``number``-th such call and answered none of it."""
    seen = []

    def hook(called, _path, status):
        if called == method and status == 200:
            seen.append(called)
            if len(seen) == number:
                process.signal(9)

    sandbox.hooks.append(hook)
    return seen


async def test_killed_after_discord_accepted_edits_every_answer_is_shown_once(world):
    asked = [world.answer(f"Answer {n}.", number=n) for n in range(8)]
    with world.notifier() as notifier:
        kill_at(world.sandbox, notifier, method="PATCH", number=3)
        await world.feed(*(answer for _, answer in asked))
        await asyncio.to_thread(notifier.wait, 30)
        states = [row["state"] for row in (await world.rows()).values()]
        assert "sending" in states, "the kill came between the call and the ledger"
        notifier.start().wait_ready()
        await world.all_sent(8, within_s=40)
        assert notifier.terminate() == 0
    for number, (interaction, _) in enumerate(asked):
        assert [edit["content"] for edit in interaction.edits] == [f"Answer {number}."]


async def test_killed_after_discord_accepted_posts_doubles_are_no_more_than_kills(world):
    kills = 2
    world.sandbox.world.discord.rules.webhook_limit = 0
    with world.notifier() as notifier:
        kill_at(world.sandbox, notifier, method="POST", number=3)
        await world.feed(*(published(n) for n in range(8)))
        await asyncio.to_thread(notifier.wait, 30)
        world.sandbox.hooks.clear()
        kill_at(world.sandbox, notifier, method="POST", number=3)
        notifier.start()
        await asyncio.to_thread(notifier.wait, 40)
        world.sandbox.hooks.clear()
        notifier.start().wait_ready()
        await world.all_sent(8, within_s=40)
    posts = world.sandbox.posts()
    assert set(posts) == {f"Backup {n} failed." for n in range(8)}
    assert len(posts) <= 8 + kills
    assert max(posts.count(post) for post in posts) <= 2


async def test_told_to_stop_under_load_it_ends_in_time_and_nothing_is_shown_twice(world):
    asked = [world.answer(f"Answer {n}.", number=n) for n in range(60)]
    world.sandbox.strike("discord", {"kind": "latency", "seconds": 0.4})
    env = {"POSTA_SHUTDOWN__GRACE_S": "10", "POSTA_DISCORD__CONCURRENCY": "8"}
    with world.notifier(env) as notifier:
        await world.feed(*(answer for _, answer in asked))
        await world.until(lambda: len(world.sandbox.calls("PATCH")) >= 20)
        assert await asyncio.to_thread(notifier.terminate, 15) == 0
        left = sum(not interaction.edits for interaction, _ in asked)
        assert 0 < left < 60, "it was stopped in the middle"
        notifier.start().wait_ready()
        await world.all_sent(60, within_s=40)
    for number, (interaction, _) in enumerate(asked):
        assert [edit["content"] for edit in interaction.edits] == [f"Answer {number}."]
    assert len(world.sandbox.calls("PATCH")) == 60


async def test_while_postgresql_restarts_deliveries_wait_and_none_is_doubled(
    kafka, topic_prefix, own_postgres, sandbox, tmp_path
):
    server = own_postgres()
    await server.start()
    async with notifier_world(kafka.bootstrap_servers, topic_prefix, server.url, sandbox, tmp_path) as world:
        sandbox.world.discord.rules.webhook_limit = 0
        sandbox.strike("discord", {"kind": "latency", "seconds": 0.15})
        asked = [world.answer(f"Answer {n}.", number=n) for n in range(30)]
        with world.notifier({"POSTA_DISCORD__CONCURRENCY": "4"}):
            await world.feed(*(a for _, a in asked), *(published(n) for n in range(10)))
            await world.until(lambda: len(sandbox.calls("PATCH")) >= 5)
            await server.stop()
            await asyncio.sleep(2)
            calls_while_away = len(sandbox.calls())
            await asyncio.sleep(1)
            assert len(sandbox.calls()) == calls_while_away, "without the ledger nothing is sent"
            await server.start()
            await world.all_sent(40, within_s=40)
        for number, (interaction, _) in enumerate(asked):
            assert [edit["content"] for edit in interaction.edits] == [f"Answer {number}."]
        assert sorted(sandbox.posts()) == sorted(f"Backup {n} failed." for n in range(10))
