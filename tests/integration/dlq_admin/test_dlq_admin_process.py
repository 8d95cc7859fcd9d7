import asyncio
import os
import signal
import sys
import time

import httpx
import pytest
from pydantic import SecretStr
from support.dead_letters import TRACE_ID, headers, record
from support.dlq_rig import dlq_world

from posta.postgres.api_keys import KeyTable
from posta.postgres.pool import Database
from posta.settings import DatabaseSettings

pytestmark = pytest.mark.integration

ODD = (
    record(key=b"k", value=None, headers=()),
    record(key=None, value=b"", headers=(("nothing", None), ("ce_id", None), ("traceparent", None))),
    record(key=b"\xff\x00", value=bytes(range(256)), headers=(("posta-original-partition", b"9" * 400),)),
    record(key=b"", value=b"", headers=(("ce_id", b"\x00\xff"), ("a\x00b", b"x"), ("", b""))),
    record(value=b'{"broken": ', headers=headers(posta_first_failure="-1", posta_attempt="x")),
    record(topic="notifier.dlq", value=b"x" * 1_000_000, headers=headers(posta_reason="r" * 50_000)),
)


@pytest.fixture
async def world(kafka, topic_prefix, database_url, tmp_path):
    async with dlq_world(kafka.bootstrap_servers, topic_prefix, database_url, tmp_path) as made:
        yield made


async def test_dead_letters_of_any_bytes_are_indexed_once_also_after_kill_9(world):
    with world.dlq_admin() as process:
        await world.die(*ODD)
        await world.indexed(len(ODD))
        await world.die(*(record(value=str(number).encode()) for number in range(300)))
        await world.indexed(len(ODD) + 20)
        process.kill()
        process.start().wait_ready()
        await world.indexed(len(ODD) + 300)
        await world.die(record(value=b"last"))
        await world.indexed(len(ODD) + 301)
        async with world.client(process) as client:
            shown = [await client.get(f"/v1/dead-letters/{row['id']}") for row in await ids(world)]
            metrics = (await client.get("/metrics")).text
        assert {answer.status_code for answer in shown} == {200}
        assert process.terminate() == 0
    values = [row["record_value"] for row in await world.fetch("SELECT record_value FROM dead_letter")]
    assert len(values) == len(ODD) + 301
    assert {str(number).encode() for number in range(300)} <= set(values)
    assert all(one.value in values for one in ODD)
    assert 'posta_dlq_open_messages{group="llm-worker"}' in metrics


async def test_a_key_of_posta_keys_opens_the_api_and_the_engine_without_a_restart(world):
    database = Database(DatabaseSettings(url=SecretStr(world.database_url)), application="test")
    with world.dlq_admin() as process:
        made = await KeyTable(database).create(
            "ana", scopes={"dlq:read", "engine:read"}, sources=set(), destinations=set(), expires_at=None
        )
        headers_ = {"authorization": f"Bearer {made.secret}"}
        async with httpx.AsyncClient(base_url=process.url, headers=headers_) as client:
            # The keys were read as it started; it looks again for one it does not know a second later.
            await asyncio.sleep(1.1)
            assert (await client.get("/v1/dead-letters")).status_code == 200
            assert (await client.get("/v1/engine")).status_code == 200
            assert (await client.post("/v1/dead-letters/1/replay")).status_code == 403
    await database.close()


async def test_a_replay_arrives_on_the_lane_of_its_group_as_it_was(world):
    original = record(value=b"\x00\xfforiginal", headers=(*headers(posta_redrive="2"), ("x-own", b"\xff")))
    with world.dlq_admin() as process:
        await world.die(original)
        await world.indexed(1)
        async with world.client(process) as client:
            answer = await client.post("/v1/dead-letters/1/replay", json={"reason": "fixed"})
            again = await client.post("/v1/dead-letters/1/replay")
        [replayed] = await world.on_lane(1)
    assert (answer.status_code, answer.json()["state"], again.status_code) == (200, "replayed", 409)
    assert (replayed.key, replayed.value) == (original.key, original.value)
    sent = dict(replayed.headers)
    assert sent["traceparent"] == f"00-{TRACE_ID}-00f067aa0ba902b7-01".encode()
    assert sent["x-own"] == b"\xff"
    previous = sent.pop("posta-previous-span").decode()
    assert previous.startswith(f"00-{TRACE_ID}-"), "the replay's own span, which its attempt is linked to"
    assert "00f067aa0ba902b7" not in previous
    assert {name: value for name, value in sent.items() if name.startswith("posta-")} == {
        "posta-original-topic": b"discord.interactions",
        "posta-original-partition": b"2",
        "posta-original-offset": b"41",
        "posta-original-timestamp": b"1795247990000",
        "posta-attempt": b"1",
        "posta-not-before": b"0",
        "posta-lane-due": b"0",
        "posta-redrive": b"3",
    }


async def test_one_idempotency_key_replays_once_however_often_and_fast_it_comes(world):
    with world.dlq_admin() as process:
        await world.die(record())
        await world.indexed(1)
        async with world.client(process) as client:
            answers = await asyncio.gather(
                *(
                    client.post("/v1/dead-letters/1/replay", headers={"idempotency-key": "once"})
                    for _ in range(5)
                )
            )
            later = await client.post("/v1/dead-letters/1/replay", headers={"idempotency-key": "once"})
        assert {answer.status_code for answer in answers} <= {200, 202}
        assert later.json()["state"] == "replayed"
        assert len(await world.on_lane(2, timeout_s=2)) == 1


async def test_many_are_replayed_at_the_set_rate(world):
    with world.dlq_admin(POSTA_REPLAY__RATE_PER_S="40") as process:
        await world.die(*(record(value=str(number).encode()) for number in range(60)))
        await world.indexed(60)
        started = time.monotonic()
        async with world.client(process) as client:
            body = {"filter": {"group": "llm-worker"}, "limit": 50, "reason": "provider is back"}
            answer = await client.post("/v1/dead-letters/replay", json=body)
        assert answer.json()["accepted"] == 50

        async def all_replayed():
            return await world.count("SELECT 1 FROM dead_letter WHERE state = 'replayed'") == 50

        await world.until(all_replayed)
        assert time.monotonic() - started > 50 / 40 - 0.2
        replayed = await world.on_lane(51, timeout_s=2)
    assert len(replayed) == 50
    assert await world.count("SELECT 1 FROM dead_letter WHERE state = 'open'") == 10


async def test_a_replay_that_was_claimed_before_a_kill_is_taken_up(
    own_kafka, topic_prefix, database_url, tmp_path
):
    broker = own_kafka()
    await broker.start()
    async with dlq_world(broker.bootstrap_servers, topic_prefix, database_url, tmp_path) as world:
        lease = {"POSTA_REPLAY__LEASE_S": "4", "POSTA_KAFKA__REQUEST_TIMEOUT_S": "3"}
        with world.dlq_admin(**lease) as process:
            await world.die(record())
            await world.indexed(1)
            broker.signal(signal.SIGSTOP)
            async with world.client(process) as client:
                asking = asyncio.create_task(client.post("/v1/dead-letters/1/replay", json={"reason": "r"}))

                async def claimed():
                    return await world.count("SELECT 1 FROM dead_letter WHERE state = 'replaying'") == 1

                await world.until(claimed)
                process.kill()
                with pytest.raises(httpx.TransportError):
                    await asking
            broker.signal(signal.SIGCONT)
            process.start().wait_ready()
            replayed = await world.on_lane(1, timeout_s=30)

            async def done():
                return await world.count("SELECT 1 FROM dead_letter WHERE state = 'replayed'") == 1

            await world.until(done)
        assert replayed[0].value == record().value
        trail = await world.fetch("SELECT actor, reason, outcome FROM dead_letter_action ORDER BY id")
        assert [tuple(row) for row in trail] == [("admin", "r", "started"), ("admin", "r", "replayed")]


async def test_a_replay_while_kafka_is_away_is_sent_when_it_is_back(
    own_kafka, topic_prefix, database_url, tmp_path
):
    broker = own_kafka()
    await broker.start()
    async with dlq_world(broker.bootstrap_servers, topic_prefix, database_url, tmp_path) as world:
        with world.dlq_admin(POSTA_REPLAY__LEASE_S="4", POSTA_KAFKA__REQUEST_TIMEOUT_S="2") as process:
            await world.die(record())
            await world.indexed(1)
            broker.signal(signal.SIGSTOP)
            async with world.client(process) as client:
                answer = await client.post("/v1/dead-letters/1/replay")
                assert (answer.status_code, answer.json()["state"]) == (202, "replaying")
                broker.signal(signal.SIGCONT)

                async def done():
                    return (await client.get("/v1/dead-letters/1")).json()["state"] == "replayed"

                await world.until(done)
            assert len(await world.on_lane(1)) == 1


async def test_postgres_away_pauses_indexing_and_it_goes_on_by_itself(
    kafka, own_postgres, topic_prefix, tmp_path
):
    server = own_postgres()
    await server.start()
    async with dlq_world(kafka.bootstrap_servers, topic_prefix, server.url, tmp_path) as world:
        with world.dlq_admin() as process:
            await world.die(record(value=b"before"))
            await world.indexed(1)
            await server.stop()
            await world.die(*(record(value=str(number).encode()) for number in range(20)))
            async with world.client(process) as client:
                answer = await client.get("/v1/dead-letters")
                ready = await client.get("/health/ready")
                live = await client.get("/health/live")
            assert (answer.status_code, ready.status_code, live.status_code) == (503, 503, 200)
            assert answer.headers["content-type"] == "application/problem+json"
            await server.start()
            await world.indexed(21)
            process.wait_ready()
            assert await world.count() == 21
            async with world.client(process) as client:
                assert (await client.post("/v1/dead-letters/1/replay")).json()["state"] == "replayed"
            assert process.terminate() == 0


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"POSTA_API_KEYS": "admin:dlq:read"}, "POSTA_API_KEYS"),
        ({"POSTA_REPLAY__LEASE_S": "5"}, "POSTA_REPLAY__LEASE_S"),
        ({"POSTA_TRACE_URL_TEMPLATE": "javascript:{trace_id}"}, "POSTA_TRACE_URL_TEMPLATE"),
        ({"POSTA_CONSOLE__PUBLIC_URL": "dlq.example.org"}, "POSTA_CONSOLE__PUBLIC_URL"),
        ({"POSTA_REPLAY__NONSENSE": "1"}, "POSTA_REPLAY__NONSENSE"),
    ],
)
async def test_a_wrong_setting_stops_it_at_start_by_name(env, told, tmp_path):
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "dlq_admin", env={**os.environ, **env}, stdout=output, stderr=output
        )
        assert await asyncio.wait_for(process.wait(), 20) == 78
    assert told in log.read_text()


async def ids(world):
    return await world.fetch("SELECT id FROM dead_letter ORDER BY id LIMIT 10")
