"""Ingress on a real Kafka: what arrives, and what happens when Kafka, ingress or the disk gives out."""

import asyncio
import json
import signal
import socket
import time
from datetime import datetime

import httpx
import pytest
from support.discord_caller import ask
from support.ingress_world import DISCORD_PATIENCE_S, assert_nothing_lost_and_in_order

from posta.domain.envelope import decode, header

pytestmark = pytest.mark.integration
QUESTIONS = "discord.interactions"


async def test_an_interaction_and_an_event_arrive_with_key_and_headers(kafka, topic_prefix, world_of):
    world = world_of(kafka.bootstrap_servers, topic_prefix)
    await world.make_topics()
    await world.start()
    body = ask("¿Por qué?", private=True, locale="es-ES")
    async with httpx.AsyncClient() as client:
        assert (await world.interact(client, body)).json() == {"type": 5, "data": {"flags": 64}}
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        accepted = await world.publish(client, {"type": "backup.done", "data": {"gb": 3}}, traceparent=parent)
    assert accepted.status_code == 202
    await world.until_drained()

    (question,) = await world.read(QUESTIONS)
    assert question.key == b"discord:1100000000000000002:300000000000000001"
    event = decode(key=question.key, value=question.value, headers=question.headers)
    assert (event.id, event.source, event.type) == (
        f"discord:{body['id']}", "/ingress", "posta.discord.interaction.v1")  # fmt: skip
    assert event.data.text == "¿Por qué?"
    assert event.data.token.get_secret_value() == body["token"]
    assert (event.expires_at - event.time).total_seconds() == 870
    assert abs(event.time.timestamp() - time.time()) < 30
    assert header(question.headers, "traceparent")

    (published,) = await world.read("events.published")
    assert published.key == b"ops"
    assert header(published.headers, "ce_id") == accepted.json()["id"]
    assert (header(published.headers, "traceparent") or "").startswith(parent[:35])
    assert datetime.fromisoformat(json.loads(published.value)["occurred_at"]).tzinfo is not None


async def test_no_secret_reaches_the_log_or_the_metrics(world_of):
    world = world_of(POSTA_LOG__LEVEL="debug")
    await world.start()
    body = ask("a very private question")
    async with httpx.AsyncClient() as client:
        await world.interact(client, body)
        await world.publish(client, {"type": "x", "destination": "nope"})
        metrics = (await client.get(f"{world.process.url}/metrics")).text
    assert await world.terminate() == 0
    seen = world.process.log.read_text() + metrics
    assert "http_listening" in seen
    for secret in (body["token"], world.api_key, "a very private question"):
        assert secret not in seen


async def test_a_frozen_kafka_keeps_nobody_waiting_and_loses_nothing(own_kafka, world_of, record_property):
    broker = own_kafka()
    await broker.start()
    world = world_of(broker.bootstrap_servers, POSTA_KAFKA__REQUEST_TIMEOUT_S="3")
    await world.make_topics()
    await world.start()
    async with world.load() as tally:
        await asyncio.sleep(2)
        broker.signal(signal.SIGSTOP)
        await asyncio.sleep(5)  # beyond the request timeout, so that connections are given up too
        broker.signal(signal.SIGCONT)
        await asyncio.sleep(3)
    await world.until_drained()
    _report(record_property, "frozen Kafka", tally)
    assert tally.slowest_s < DISCORD_PATIENCE_S
    assert (tally.refused, tally.unanswered) == (0, 0)
    assert_nothing_lost_and_in_order(tally, await world.read(QUESTIONS))


async def test_a_killed_kafka_keeps_nobody_waiting_and_loses_nothing(own_kafka, world_of, record_property):
    broker = own_kafka()
    await broker.start()
    world = world_of(broker.bootstrap_servers)
    await world.make_topics()
    await world.start()
    async with world.load() as tally:
        await asyncio.sleep(1.5)
        broker.signal(signal.SIGKILL)
        await broker.wait()
        await asyncio.sleep(3)
        await broker.start()
        await asyncio.sleep(4)
    await world.until_drained()
    _report(record_property, "killed Kafka", tally)
    assert tally.slowest_s < DISCORD_PATIENCE_S
    assert (tally.refused, tally.unanswered) == (0, 0)
    assert_nothing_lost_and_in_order(tally, await world.read(QUESTIONS))
    # And the way is direct again: at once, or when a broker that has just started does not stall any more.
    taken = 'posta_ingress_accepted_total{kind="interaction",where="kafka"}'
    async with httpx.AsyncClient() as client, asyncio.timeout(20):
        direct = await world.metric(taken)
        while await world.metric(taken) == direct:
            await world.interact(client, ask())


async def test_what_was_acknowledged_survives_kill_9_while_kafka_is_down(own_kafka, world_of):
    broker = own_kafka()
    await broker.start()
    world = world_of(broker.bootstrap_servers)
    await world.make_topics()
    await world.start()
    async with world.load() as tally:
        await asyncio.sleep(1)
        broker.signal(signal.SIGKILL)
        await broker.wait()
        await asyncio.sleep(1.5)
        await asyncio.to_thread(world.process.kill)
        await world.start()
        await asyncio.sleep(1.5)
        await asyncio.to_thread(world.process.kill)
    assert tally.unanswered > 0
    spooled = set(world.spooled())
    await broker.start()
    in_kafka = {header(record.headers, "ce_id") for record in await world.read(QUESTIONS)}
    assert tally.acknowledged <= spooled | in_kafka
    assert len(spooled & tally.acknowledged) > 50

    await world.start()
    await world.until_drained()
    assert_nothing_lost_and_in_order(tally, await world.read(QUESTIONS))


async def test_a_full_spool_is_said_so_politely_and_room_is_used_again(own_kafka, world_of):
    broker = own_kafka()
    await broker.start()
    world = world_of(broker.bootstrap_servers, POSTA_INGRESS__SPOOL_MAX_EVENTS="20")
    await world.make_topics()
    broker.signal(signal.SIGSTOP)
    await world.start()
    async with httpx.AsyncClient() as client:
        answers = [await world.interact(client, ask(locale="es-ES")) for _ in range(23)]
        refused = await world.publish(client, {"type": "x"})
        assert (await client.get(f"{world.process.url}/health/ready")).status_code == 503
        assert (await client.get(f"{world.process.url}/health/live")).status_code == 200
        assert [answer.json()["type"] for answer in answers] == [5] * 20 + [4] * 3
        assert "Inténtalo de nuevo" in answers[-1].json()["data"]["content"]
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
        broker.signal(signal.SIGCONT)
        await world.until_drained()
        assert (await client.get(f"{world.process.url}/health/ready")).status_code == 200
        assert (await world.interact(client, ask())).json()["type"] == 5
    assert len(await world.read(QUESTIONS)) >= 21


@pytest.mark.parametrize("kafka_is", ["there", "frozen"])
async def test_sigterm_under_load_ends_well_and_loses_nothing(own_kafka, world_of, kafka_is):
    broker = own_kafka()
    await broker.start()
    world = world_of(broker.bootstrap_servers)
    await world.make_topics()
    await world.start()
    async with world.load(pause_s=0.0) as tally:
        await asyncio.sleep(2)
        if kafka_is == "frozen":
            broker.signal(signal.SIGSTOP)
            await asyncio.sleep(2)
        started = time.monotonic()
        code = await world.terminate()
        took_s = time.monotonic() - started
    assert code == 0, world.process.tail()
    assert took_s < 10
    broker.signal(signal.SIGCONT)
    await world.start()
    await world.until_drained()
    assert len(tally.acknowledged) > 20
    assert_nothing_lost_and_in_order(tally, await world.read(QUESTIONS))


async def test_a_port_in_use_ends_it_with_code_78_and_a_reason(world_of):
    world = world_of()
    with socket.create_server(("127.0.0.1", world.process.port)):
        world.process.start()
        assert await asyncio.to_thread(world.process.wait, 20) == 78
    assert "POSTA_HTTP__PORT: cannot listen" in world.process.tail()


async def test_a_second_ingress_on_the_same_folder_is_refused(world_of):
    first = world_of()
    second = world_of(POSTA_STATE_DIR=str(first.state))
    await first.start()
    second.process.start()
    assert await asyncio.to_thread(second.process.wait, 20) == 78
    assert "in use by another process" in second.process.tail()
    async with httpx.AsyncClient() as client:
        assert (await first.interact(client, ask())).json() == {"type": 5}


async def test_a_wrong_configuration_ends_it_with_code_78_and_a_reason(world_of):
    world = world_of(POSTA_DISCORD__PUBLIC_KEYS="abc")
    world.process.start()
    assert await asyncio.to_thread(world.process.wait, 20) == 78
    assert "POSTA_DISCORD__PUBLIC_KEYS: Value error, entry 1 is not an Ed25519" in world.process.tail()


def _report(record_property, fault, tally):
    """Shown with ``pytest -rP`` and kept in a junit file."""
    record_property("slowest_ack_s", round(tally.slowest_s, 3))
    print(f"{fault}: {len(tally.acknowledged)} acknowledged, slowest {tally.slowest_s:.3f} s")
