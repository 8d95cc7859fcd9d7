"""F17 and F22: Discord refuses, loses answers and deletes webhooks; the trace collector is away."""

from dataclasses import replace

import pytest
from support.deliveries import published
from support.notifier_rig import notifier_world
from support.pace import register, registry_env
from support.processes import free_port
from support.sandbox_server import sandbox_server

from posta.domain.envelope import header

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(kafka, topic_prefix, database_url, tmp_path):
    with sandbox_server() as sandbox:
        async with notifier_world(
            kafka.bootstrap_servers, topic_prefix, database_url, sandbox, tmp_path
        ) as world:
            yield world


def messages_in(world, channel):
    return [m for m in world.sandbox.world.discord.state.posts if m.place.channel == channel]


async def test_a_post_whose_answer_is_lost_is_looked_up_by_the_bot_and_shown_once(world):
    await register(world, ["alerts"])
    world.sandbox.strike("discord", {"kind": "lost_answer", "count": 1, "match": "POST"})
    with world.notifier({**registry_env(world), "POSTA_DISCORD__BOT_TOKEN": "a-bot-token"}) as notifier:
        await world.feed(*(published(n, destination="alerts") for n in range(3)))
        await world.all_sent(3)
        assert notifier.terminate() == 0
    shown = [m.embeds[0]["description"] for m in messages_in(world, "alerts")]
    assert sorted(shown) == [f"Backup {n} failed." for n in range(3)], "nothing twice, nothing lost"
    assert len(world.sandbox.calls("POST")) == 3
    assert "a-bot-token" not in world.log.read_text()


async def test_a_deleted_webhook_is_called_once_its_owner_told_and_the_others_served(world):
    await register(world, ["doomed", "alive"])
    state = world.sandbox.world.discord.state
    state.delete_webhook(state.named_webhook("doomed"))
    with world.notifier(registry_env(world)):
        await world.feed(
            *(published(n, destination="doomed") for n in range(60)),
            *(published(100 + n, destination="alive") for n in range(3)),
        )
        letters = await world.dead_letters(60, timeout_s=40)
        await world.until(lambda: len(messages_in(world, "alive")) == 3)
        await world.until(lambda: len(messages_in(world, "ops")) == 1)
    assert len(letters) == 60
    assert len(world.sandbox.calls("POST", "/webhooks/" + state.named_webhook("doomed").id)) == 1
    kinds = {header(letter.headers, "posta-exception-type") for letter in letters}
    assert kinds == {"TargetGone", "Undeliverable"}
    (notice,) = messages_in(world, "ops")
    assert "doomed" in notice.embeds[0]["title"]
    assert "10015" in notice.embeds[0]["description"]


async def test_every_scope_of_429_a_503_and_a_403_do_what_they_mean(world):
    await register(world, ["a", "b"])
    world.sandbox.strike(
        "discord",
        {"kind": "429", "scope": "user", "retry_after": 0.6, "count": 1},
        {"kind": "429", "scope": "shared", "retry_after": 0.6, "count": 1},
        {"kind": "5xx", "status": 503, "count": 1},
    )
    with world.notifier(registry_env(world)):
        await world.feed(*(published(n, destination="a") for n in range(4)))
        await world.all_sent(4, within_s=40)
        world.sandbox.strike("discord", {"kind": "5xx", "status": 403, "count": 1})
        await world.feed(published(9, destination="b"))
        (letter,) = await world.dead_letters(1, timeout_s=30)
    assert header(letter.headers, "posta-exception-type") == "TargetGone"
    assert sorted(m.embeds[0]["description"] for m in messages_in(world, "a")) == [
        f"Backup {n} failed." for n in range(4)
    ]


async def test_repeats_and_threads_keep_to_one_message_each(world):
    with world.notifier():
        await world.feed(published(1, dedupe_key="disk"), published(2, thread_key="backup"))
        await world.all_sent(2)
        await world.feed(
            published(3, dedupe_key="disk"),
            published(4, thread_key="backup", data={"message": "done"}),
            published(5, dedupe_key="disk"),
        )
        await world.all_sent(5)
    counted, replaced = sorted(messages_in(world, "ops"), key=lambda m: m.embeds[0]["description"])
    assert counted.embeds[0]["title"].startswith("(3 times)")
    assert replaced.embeds[0]["description"] == "done"


async def test_an_answer_that_is_too_late_reaches_the_person_by_direct_message(world):
    interaction, answer = world.answer("Late but true.", at=published().time.replace(year=2020))
    target = answer.data.target.model_copy(
        update={"user_id": interaction.use.user.id, "channel_id": "1", "guild_id": "2"}
    )
    late = answer.data.model_copy(update={"target": target})
    with world.notifier({"POSTA_DISCORD__BOT_TOKEN": "a-bot-token"}):
        await world.feed(replace(answer, data=late))
        posts = world.sandbox.world.discord.state.posts
        await world.until(lambda: len(posts) == 1)
    (message,) = posts
    assert message.place.guild_id is None
    assert "Late but true." in message.content
    assert interaction.edits == []


async def test_without_a_trace_collector_every_delivery_is_made(world):
    away = f"http://127.0.0.1:{free_port()}"
    with world.notifier({"OTEL_EXPORTER_OTLP_ENDPOINT": away}) as notifier:
        await world.feed(*(published(n) for n in range(5)))
        await world.all_sent(5)
        assert notifier.terminate() == 0
    assert len(world.sandbox.posts()) == 5
