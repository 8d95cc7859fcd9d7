"""Kafka and PostgreSQL away at once, under steady traffic: what was accepted arrives, and nobody waits.

The run of twenty seconds is part of `make test`; the one of two minutes, at 200 interactions and 50
events a second, of `make chaos`.
"""

import asyncio

import pytest
from support.ingress_outage import assert_all_arrived, traffic
from support.ingress_world import DISCORD_PATIENCE_S

from posta.postgres.migrations import migrate

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("away_s", "questions_per_s", "events_per_s", "most_s", "least_in_time", "least_share"),
    [
        # Beside other tests on a busy machine: what Discord allows.
        pytest.param(20, 50, 12, DISCORD_PATIENCE_S, 0.999, 0.1, id="twenty seconds"),
        pytest.param(120, 200, 50, 1.0, 1.0, 0.9, id="two minutes", marks=pytest.mark.chaos),
    ],
)
async def test_nothing_accepted_is_lost_while_kafka_and_postgresql_are_away(
    own_kafka,
    own_postgres,
    world_of,
    record_property,
    away_s,
    questions_per_s,
    events_per_s,
    most_s,
    least_in_time,
    least_share,
):
    broker, server = own_kafka(), own_postgres()
    await asyncio.gather(broker.start(), server.start())
    await migrate(server.url)
    world = world_of(
        broker.bootstrap_servers,
        POSTA_DATABASE__URL=server.url,
        # Counted, and never used up: what is tried is that PostgreSQL's absence holds nobody up.
        POSTA_GOVERNOR__ENABLED="true",
        POSTA_GOVERNOR__MAX_MESSAGES_PER_MINUTE="600",
        POSTA_GOVERNOR__MAX_PER_USER_PER_MINUTE="0",
        POSTA_GOVERNOR__MAX_PER_GUILD_PER_MINUTE="0",
        # Nobody works the questions off here.
        POSTA_GOVERNOR__MAX_QUEUE_AGE_S="0",
    )
    await world.make_topics()
    await world.start()
    async with traffic(world, questions_per_s=questions_per_s, events_per_s=events_per_s) as seen:
        await asyncio.sleep(2)
        await asyncio.gather(broker.stop(), server.stop())
        await asyncio.sleep(away_s)
        await asyncio.gather(broker.start(), server.start())
        await asyncio.sleep(3)
    await world.until_drained(timeout_s=120)
    doubles = await assert_all_arrived(world, seen)
    slowest = {share: round(seen.slowest_s(share), 3) for share in (0.5, 0.99, 1.0)}
    record_property("waits_s", slowest)
    print(f"{len(seen.accepted)} questions, {len(seen.events)} events, waits {slowest} s, {doubles} doubles")
    assert (seen.refused, seen.unanswered) == (0, 0)
    print(
        f"{len(seen.accepted) / seen.seconds:.1f} questions/s, {len(seen.events) / seen.seconds:.1f} events/s"
    )
    # Otherwise it was not tried at these rates, but at those that a busy machine's clients can keep up.
    assert len(seen.accepted) >= least_share * questions_per_s * seen.seconds
    assert len(seen.events) >= least_share * events_per_s * seen.seconds
    # By ingress's own clock: how long the client waits for a turn of the processor is no answer's time.
    every = await world.metric("posta_ingress_ack_seconds_count")
    in_time = await world.metric(f'posta_ingress_ack_seconds_bucket{{le="{most_s:.1f}"}}')
    assert in_time >= least_in_time * every
    assert await world.metric('posta_ingress_ack_seconds_bucket{le="3.0"}') == every
    # A publish that timed out as Kafka went may have been written all the same: its id folds it.
    assert doubles <= 2 * questions_per_s
