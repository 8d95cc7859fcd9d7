"""dlq-admin and a group's engine on real Kafka: keys that a dead letter holds, dead letters that were cut."""

import asyncio
import hashlib
from dataclasses import replace

import pytest
from aiokafka.admin import NewTopic
from support.dlq_rig import dlq_world
from support.engine_rig import event, eventually, number_of, running
from support.kafka_admin import delete_records, delete_topic, operator

from posta.domain.envelope import Wire, encode
from posta.domain.key_order import OnDeadLetter
from posta.engine.engine import Engine
from posta.engine.policy import EnginePolicy, Retries
from posta.errors import Permanent
from posta.kafka.topics import apply
from posta.topics import DISCORD_INTERACTIONS, LLM_WORKER

pytestmark = pytest.mark.integration
GROUP = replace(LLM_WORKER, reads=(DISCORD_INTERACTIONS,), lane_delays_s=(5,))
"""The group that dlq-admin knows, with its shortest lane only: what is held does not wait for minutes."""
HOLDS_KEYS = EnginePolicy(
    retries=Retries.ORDERED, on_dead_letter=OnDeadLetter.HOLD_KEY, commit_interval_s=0.2, drain_s=1.0
)


@pytest.fixture
async def world(kafka, topic_prefix, database_url, tmp_path):
    async with dlq_world(kafka.bootstrap_servers, topic_prefix, database_url, tmp_path) as made:
        await apply(made.kafka.settings, (DISCORD_INTERACTIONS,))
        yield made


def engine_of(world, handler, policy):
    return Engine(GROUP, handler, kafka=world.kafka.settings, producer=world.kafka.producer, policy=policy)


async def write(world, *wires):
    await world.kafka.producer.publish(DISCORD_INTERACTIONS.name, list(wires), timeout_s=10)


async def dead_letters_take(world, most_bytes):
    """The dead-letter topic refuses larger records from now on."""
    await delete_topic(world.kafka, GROUP.dlq.name)
    name = world.kafka.settings.topic_prefix + GROUP.dlq.name
    async with operator(world.kafka) as admin:
        small = {"max.message.bytes": str(most_bytes)}
        await admin.create_topics([NewTopic(name, 2, 1, topic_configs=small)])


async def test_discarding_or_releasing_a_dead_letter_lets_the_records_behind_it_go_on(world):
    done: list[tuple[str, int]] = []

    async def handler(message):
        if number_of(message) == 0:
            raise Permanent("never")
        done.append((message.event.key, number_of(message)))

    engine = engine_of(world, handler, HOLDS_KEYS)
    with world.dlq_admin() as process:
        async with running(engine), world.client(process) as client:
            for number in range(4):
                await write(world, *(encode(event(number, key=key)) for key in ("given up", "let go")))
            await world.indexed(2)
            await asyncio.sleep(6)
            assert done == [], "held, longer than the lane"
            held = (await client.get("/v1/dead-letters?held=true&group=llm-worker")).json()["items"]
            assert [one["key_hold"] for one in held] == ["held", "held"]
            assert len(engine.status().held_keys) == 2
            by_key = {}
            for one in held:
                letter = (await client.get(f"/v1/dead-letters/{one['id']}")).json()
                by_key[letter["key"]["text"]] = one["id"]
            discarded = await client.post(
                f"/v1/dead-letters/{by_key['given up']}/discard", json={"reason": "of no use"}
            )
            assert discarded.json()["state"] == "discarded"
            await eventually(lambda: len(done) == 3, within_s=20, why="the discarded one still holds its key")
            assert done == [("given up", 1), ("given up", 2), ("given up", 3)]
            released = await client.post(
                f"/v1/dead-letters/{by_key['let go']}/release", json={"reason": "the others must go on"}
            )
            assert released.status_code == 202
            await eventually(lambda: len(done) == 6, within_s=20, why="the released key is still held")
            assert done[3:] == [("let go", 1), ("let go", 2), ("let go", 3)]
            await eventually(lambda: engine.status().held_keys == (), within_s=15)
            after = (await client.get(f"/v1/dead-letters/{by_key['let go']}")).json()
            assert (after["state"], after["key_hold"]) == ("open", "released")
            assert (await client.get("/v1/dead-letters?held=true")).json()["items"] == []
    async with running(engine_of(world, handler, HOLDS_KEYS)):
        await write(world, encode(event(9, key="given up")))
        await eventually(lambda: ("given up", 9) in done, within_s=20)
        await asyncio.sleep(1)
    assert len(done) == 7, "released for good, each done once"


async def test_a_dead_letter_that_was_cut_is_replayed_from_its_original_while_kafka_has_that(world):
    await dead_letters_take(world, 20_000)
    seen: list[int] = []
    broken = True

    async def handler(message):
        if broken:
            raise Permanent("not yet")
        seen.append(len(message.event.data.data["filling"]))

    def large(number):
        wire = encode(event(number))
        value = wire.value.replace(b'"n":', b'"filling":"' + b"x" * 300_000 + b'","n":')
        return Wire(key=wire.key, value=value, headers=wire.headers)

    originals = [large(number) for number in range(2)]
    assert len(originals[0].value) > 300_000
    engine = engine_of(world, handler, EnginePolicy(commit_interval_s=0.2, drain_s=1.0))
    with world.dlq_admin() as process:
        async with running(engine), world.client(process) as client:
            await write(world, *originals)
            await world.indexed(2)
            first, second = sorted(row["id"] for row in await world.fetch("SELECT id FROM dead_letter"))
            shown = (await client.get(f"/v1/dead-letters/{first}")).json()
            pointer = shown["original_record"]
            assert pointer["found"] == "there"
            assert (pointer["topic"], pointer["offset"]) == ("discord.interactions", 0)
            assert pointer["bytes"] == len(originals[0].value)
            assert pointer["sha256"] == hashlib.sha256(originals[0].value).hexdigest()
            assert 0 < pointer["kept_bytes"] < 20_000
            broken = False
            answer = await client.post(f"/v1/dead-letters/{first}/replay")
            assert answer.json()["state"] == "replayed"
            await eventually(lambda: seen == [300_000], within_s=20, why="handled whole")
            await delete_records(
                world.kafka, DISCORD_INTERACTIONS.name, partition=pointer["partition"], before=2
            )
            gone = (await client.get(f"/v1/dead-letters/{second}")).json()
            assert gone["original_record"]["found"] == "gone"
            refused = await client.post(f"/v1/dead-letters/{second}/replay")
            assert refused.status_code == 409
            assert "Kafka does not keep it any more" in refused.json()["detail"]
            assert (await client.get(f"/v1/dead-letters/{second}")).json()["state"] == "open"


async def test_a_key_that_was_cut_is_released_whole_from_the_original_and_refused_when_that_is_gone(world):
    await dead_letters_take(world, 6_000)
    there, gone = "there " + "x" * 12_000, "gone " + "x" * 12_000
    done: list[tuple[str, int]] = []

    async def handler(message):
        if number_of(message) == 0:
            raise Permanent("never")
        done.append((message.event.key, number_of(message)))

    engine = engine_of(world, handler, HOLDS_KEYS)
    with world.dlq_admin() as process:
        async with running(engine), world.client(process) as client:
            for number in range(3):
                await write(world, *(encode(event(number, key=key)) for key in (there, gone)))
            await world.indexed(2)
            letters = [
                (await client.get(f"/v1/dead-letters/{row['id']}")).json()
                for row in await world.fetch("SELECT id FROM dead_letter")
            ]
            by_key = {letter["key"]["text"].split()[0]: letter for letter in letters}
            assert all(len(letter["key"]["text"]) < 2_000 for letter in letters), "its topic took no more"
            released = await client.post(
                f"/v1/dead-letters/{by_key['there']['id']}/release", json={"reason": "the others must go on"}
            )
            assert released.status_code == 202
            await eventually(lambda: len(done) == 2, within_s=30, why="the key is still held")
            assert done == [(there, 1), (there, 2)]
            pointer = by_key["gone"]["original_record"]
            await delete_records(
                world.kafka,
                DISCORD_INTERACTIONS.name,
                partition=pointer["partition"],
                before=pointer["offset"] + 1,
            )
            url = f"/v1/dead-letters/{by_key['gone']['id']}"
            await client.post(f"{url}/release", json={"reason": "the others must go on"})
            after = await settled(client, url)
            assert after["key_hold"] == "held"
            assert "OnDeadLetter.GO_ON" in after["audit"][-1]["outcome"]
            assert len(done) == 2, "a key that is not known whole releases nobody"


async def settled(client, url):
    """The dead letter when its release has come to an end."""
    async with asyncio.timeout(30):
        letter = {"key_hold": "releasing"}
        while letter["key_hold"] == "releasing":
            await asyncio.sleep(0.2)
            letter = (await client.get(url)).json()
    return letter
