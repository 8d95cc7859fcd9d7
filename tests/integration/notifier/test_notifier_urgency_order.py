"""What goes first when not all can: urgent events of a destination, answers whose token ends soon."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka.partitioner import murmur2
from support.deliveries import published
from support.notifier_rig import notifier_world
from support.pace import register, registry_env
from support.sandbox_server import sandbox_server

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(kafka, topic_prefix, database_url, tmp_path):
    with sandbox_server() as sandbox:
        async with notifier_world(
            kafka.bootstrap_servers, topic_prefix, database_url, sandbox, tmp_path, partitions=1
        ) as world:
            yield world


async def feed_in_order(world, *events):
    for event in events:
        await world.feed(event)


async def shown(world):
    """The ids of what was delivered, in that order."""
    return sorted(rows := await world.rows(), key=lambda event_id: rows[event_id]["updated_at"])


async def test_of_a_crowded_destination_the_urgent_event_goes_first_and_threads_keep_their_order(world):
    await register(world, ["alerts"])
    rules = world.sandbox.world.discord.rules
    rules.webhook_limit, rules.webhook_window_s = 2, 1.0

    def event(n, priority, **fields):
        return published(n, destination="alerts", priority=priority, data={"message": f"#{n}"}, **fields)

    await feed_in_order(
        world,
        *(event(n, "low") for n in range(4)),
        event(4, "normal"),
        event(5, "low", thread_key="nightly"),
        event(6, "high"),
        event(7, "high", thread_key="nightly"),
    )
    with world.notifier(registry_env(world)):
        await world.all_sent(8)
    # What was first when they came has begun; of the others the urgent ones, then the age decides. The
    # urgent event of the thread brings forward the one that it must not overtake.
    assert await shown(world) == [f"event:{n}" for n in (0, 6, 5, 7, 4, 1, 2, 3)]


async def test_of_answers_that_wait_the_one_whose_token_ends_first_goes_first(world):
    minutes = [14, 9, 12, 4, 6]
    asked = []
    for number, left in enumerate(minutes):
        _, event = world.answer(f"{left} minutes", number=number)
        asked.append(replace(event, expires_at=datetime.now(UTC) + timedelta(minutes=left)))
    await feed_in_order(world, *asked)
    with world.notifier({"POSTA_DISCORD__CONCURRENCY": "1"}):
        await world.all_sent(len(minutes))
    by_end = [event.id for _, event in sorted(zip(minutes, asked, strict=True), key=lambda pair: pair[0])]
    assert await shown(world) == by_end


def partition_of(event_id):
    """Where the answer with this id is, by the key that ``world.answer`` gives it."""
    key = event_id.replace("discord:", "discord:g:").removesuffix("/answer")
    return (murmur2(key.encode()) & 0x7FFFFFFF) % 4


async def test_answers_of_several_partitions_go_by_the_end_of_their_tokens_too(
    kafka, topic_prefix, database_url, tmp_path
):
    minutes = random.Random(7).sample(range(200, 800), 40)
    with sandbox_server() as sandbox:
        async with notifier_world(
            kafka.bootstrap_servers, topic_prefix, database_url, sandbox, tmp_path, partitions=4
        ) as world:
            ends = {}
            for number, left in enumerate(minutes):
                _, event = world.answer(f"{left} seconds", number=number)
                ends[event.id] = datetime.now(UTC) + timedelta(seconds=left)
                await world.feed(replace(event, expires_at=ends[event.id]))
            with world.notifier({"POSTA_DISCORD__CONCURRENCY": "1"}):
                await world.all_sent(len(minutes))
            order = await shown(world)
    # What Kafka hands over first begins, and that may be a part; then the earliest of all.
    late = order[8:]
    assert late == sorted(late, key=ends.__getitem__)
    assert len({partition_of(event_id) for event_id in order}) == 4
