"""Notifier as a process on real Kafka and PostgreSQL, against the sandbox's Discord: what it delivers."""

import asyncio
import json
import subprocess
import sys

import pytest
from support.deliveries import discord_reply, published
from support.notifier_rig import notifier_world
from support.sandbox_server import sandbox_server

from posta.domain.envelope import Wire, encode, header
from posta.domain.payloads import DiscordTarget
from posta.topics import REPLIES_READY

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


def succeeded(calls):
    return [call for call in calls if call.status == 200]


async def test_answers_and_events_arrive_and_no_secret_is_logged(world):
    interaction, answer = world.answer("Because it scatters. @everyone")
    with world.notifier() as notifier:
        await world.feed(answer, published(1))
        await world.all_sent(2)
        assert notifier.terminate() == 0
    assert [edit["content"] for edit in interaction.edits] == ["Because it scatters. @everyone"]
    assert world.sandbox.posts() == ["Backup 1 failed."]
    (post,) = world.sandbox.calls("POST")
    assert "wait=true" in post.path
    agents = [value for name, value in post.exchange.request_headers if name == "user-agent"]
    assert agents[0].startswith("DiscordBot (https://")
    rows = await world.rows()
    assert rows[answer.id]["message_id"] == interaction.original.id
    said = world.log.read_text()
    assert interaction.token not in said
    assert world.sandbox.webhook_url.rpartition("/")[2] not in said


async def test_the_trace_of_a_question_runs_through_its_delivery_and_holds_no_secret(world):
    interaction, answer = world.answer("Because.")
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    traceparent = f"00-{trace_id}-b7ad6b7169203331-01"
    with world.notifier({"OTEL_EXPORTER_OTLP_ENDPOINT": world.sandbox.url}) as notifier:
        await world.send(encode(answer, {"traceparent": traceparent}), REPLIES_READY.name)
        await world.all_sent(1)
        assert notifier.terminate() == 0
    spans = world.sandbox.world.traces.spans(trace_id)
    (handling,) = [span for span in spans if span["kind"] == "consumer"]
    (call,) = [span for span in spans if span["kind"] == "client"]
    assert call["parent_span_id"] == handling["span_id"]
    assert call["attributes"]["http.response.status_code"] == 200
    assert call["attributes"]["url.template"].startswith("/webhooks/{application}/{token}")
    assert interaction.token not in json.dumps(spans)


async def test_a_redelivered_event_makes_no_call(world):
    interaction, answer = world.answer("Once.")
    with world.notifier():
        await world.feed(answer, published(1))
        await world.all_sent(2)
        await world.feed(answer, published(1), published(2))
        await world.all_sent(3)
    assert len(interaction.edits) == 1
    assert world.sandbox.posts() == ["Backup 1 failed.", "Backup 2 failed."]
    assert len(world.sandbox.calls()) == 3


async def test_a_deleted_webhook_and_a_dead_token_become_dead_letters_untouched(world):
    state = world.sandbox.world.discord.state
    state.delete_webhook(state.named_webhook("ops"))
    target = DiscordTarget(
        interaction_id=discord_reply().data.target.interaction_id,
        application_id=world.sandbox.application_id,
        token="never-known",
    )
    answer = discord_reply(target=target)
    with world.notifier():
        await world.feed(published(1), answer)
        letters = await world.dead_letters(2)
    by_id = {header(letter.headers, "ce_id"): letter for letter in letters}
    assert by_id.keys() == {"event:1", answer.id}
    for event in (published(1), answer):
        letter = by_id[event.id]
        assert letter.value == encode(event).value
        assert header(letter.headers, "posta-error-class") == "permanent"
        assert header(letter.headers, "posta-exception-type") == "TargetGone"
        assert "never-known" not in str([h for h in letter.headers if h[0].startswith("posta-")])
    assert len(world.sandbox.calls("POST")) == 1
    assert len(world.sandbox.calls("PATCH")) == 1


async def test_an_answer_whose_token_has_ended_is_not_tried(world):
    _, answer = world.answer("Too late.", at=published().time.replace(year=2020))
    with world.notifier():
        await world.feed(answer)
        (letter,) = await world.dead_letters(1)
    assert header(letter.headers, "posta-error-class") == "expired"
    assert world.sandbox.calls() == []


async def test_an_answer_that_discord_refuses_is_apologised_for_once(world):
    interaction, answer = world.answer("Refused.", locale="es-ES")
    world.sandbox.strike("discord", {"kind": "5xx", "status": 400, "count": 1, "match": "PATCH"})
    with world.notifier():
        await world.feed(answer)
        (letter,) = await world.dead_letters(1)
        await world.until(lambda: bool(interaction.edits))
    assert header(letter.headers, "ce_id") == answer.id
    (edit,) = interaction.edits
    assert edit["content"].startswith("Lo siento")
    assert f"{answer.id}/apology" in await world.rows()


async def test_a_storm_of_server_errors_ends_in_one_delivery_each(world):
    interaction, answer = world.answer("Patience.")
    world.sandbox.strike(
        "discord",
        {"kind": "5xx", "count": 3, "match": "@original"},
        {"kind": "5xx", "count": 2, "match": "POST"},
    )
    with world.notifier():
        await world.feed(answer, published(1))
        await world.all_sent(2, within_s=60)
    assert [edit["content"] for edit in interaction.edits] == ["Patience."]
    assert world.sandbox.posts() == ["Backup 1 failed."]
    assert len(succeeded(world.sandbox.calls("PATCH"))) == 1


async def test_a_lost_answer_of_an_edit_is_looked_up_and_shown_once(world):
    interaction, answer = world.answer("Once.")
    world.sandbox.strike("discord", {"kind": "lost_answer", "count": 1, "match": "PATCH"})
    with world.notifier():
        await world.feed(answer)
        await world.all_sent(1)
    assert len(interaction.edits) == 1
    assert [call.method for call in world.sandbox.calls()] == ["PATCH", "GET"]


def assert_obeyed(calls):
    """No call came to its bucket before the moment that a 429 had named."""
    opens_at = 0.0
    for call in calls:
        assert call.at >= opens_at - 0.005, "a request was sent into a closed bucket"
        if call.status == 429:
            headers = {name.lower(): value for name, value in call.exchange.response_headers}
            body = json.loads(call.exchange.response_body)
            opens_at = call.at + max(float(headers["retry-after"]), body["retry_after"])


async def test_rate_limits_are_obeyed_and_every_event_arrives_once(world):
    rules = world.sandbox.world.discord.rules
    rules.webhook_limit, rules.webhook_window_s = 3, 1.0
    rules.channel_limit, rules.channel_window_s = 4, 3.0
    with world.notifier():
        await world.feed(*(published(n) for n in range(12)))
        await world.all_sent(12, within_s=60)
    calls = world.sandbox.calls("POST")
    assert_obeyed(calls)
    assert sum(call.status == 429 for call in calls) in range(1, 6), "only the hidden limit can surprise"
    assert sorted(world.sandbox.posts()) == sorted(f"Backup {n} failed." for n in range(12))
    assert await world.dead_letters(1, timeout_s=0.5) == []


async def test_a_global_429_closes_every_bucket(world):
    world.sandbox.strike("discord", {"kind": "429", "retry_after": 2.5, "scope": "global", "count": 1})
    with world.notifier():
        await world.feed(published(1))
        await world.until(lambda: bool(world.sandbox.calls()))
        await asyncio.sleep(0.5)  # the sandbox knows of the call before notifier has its answer
        _, answer = world.answer("Later.")
        await world.feed(answer)
        await world.all_sent(2)
    first, *others = world.sandbox.calls()
    assert len(others) == 2
    assert min(call.at for call in others) - first.at >= 3


async def test_what_cannot_be_read_is_a_dead_letter_and_its_neighbours_are_delivered(world):
    interaction, answer = world.answer("Fine.")
    with world.notifier():
        await world.send(Wire(key=b"k", value=b"\xff{", headers=(("ce_id", b"x"),)), REPLIES_READY.name)
        await world.feed(answer)
        await world.all_sent(1)
        (letter,) = await world.dead_letters(1)
    assert letter.value == b"\xff{"
    assert len(interaction.edits) == 1


def test_a_destination_without_its_variable_stops_the_start(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "notifier"],
        env={"PATH": "/usr/bin:/bin", "POSTA_CONFIG_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert ended.returncode == 78
    assert "destinations.yaml" in ended.stderr
    (tmp_path / "destinations.yaml").write_text(
        "destinations:\n  ops:\n    description: x\n    webhook_url: {env: POSTA_WEBHOOK_OPS}\n"
    )
    ended = subprocess.run(
        [sys.executable, "-m", "notifier"],
        env={"PATH": "/usr/bin:/bin", "POSTA_CONFIG_DIR": str(tmp_path), "POSTA_WEBHOOK_OPS": "s3cret"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert ended.returncode == 78
    assert "POSTA_WEBHOOK_OPS" in ended.stderr
    assert "s3cret" not in ended.stderr
