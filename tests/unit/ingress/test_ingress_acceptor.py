"""Nothing counts as accepted before Kafka or the spool has it, and nobody waits long for that."""

import asyncio
import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from support.discord_caller import ask
from support.ingress_rig import CONFIG

from ingress.acceptor import Kept
from ingress.commands.rules import load_commands
from ingress.interactions.decision import KeepThenAnswer, decide
from ingress.interactions.interaction import parse_interaction
from ingress.spool_file import SpoolFull, SpoolUnusable
from ingress.switch import Way
from posta.domain.envelope import header
from posta.kafka.producer import TooLarge
from posta.topics import DISCORD_INTERACTIONS

COMMANDS = load_commands(CONFIG / "commands.yaml")


def question():
    decision = decide(parse_interaction(ask()), COMMANDS)
    assert isinstance(decision, KeepThenAnswer)
    return decision.event


async def accept(rig, event=None):
    return await rig.acceptor.accept("interaction", DISCORD_INTERACTIONS, event or question())


async def spooled(rig):
    return await rig.spool.first(1000, max_bytes=10**9, timeout_s=5)


async def test_while_kafka_is_there_it_gets_the_event(rig):
    event = question()
    assert await accept(rig, event) is Kept.KAFKA
    ((topic, wire),) = rig.publisher.written
    assert (topic, wire.key) == ("discord.interactions", event.key.encode())
    assert header(wire.headers, "ce_id") == event.id
    assert rig.spool.depth == 0


@pytest.mark.parametrize("fault", ["away", "silent", "loses_answer"])
async def test_when_kafka_does_not_confirm_the_spool_gets_it(rig, fault):
    setattr(rig.publisher, fault, True)
    event = question()
    started = time.monotonic()
    assert await accept(rig, event) is Kept.SPOOL
    assert time.monotonic() - started < 1
    assert [record.event_id for record in await spooled(rig)] == [event.id]


@pytest.mark.slow
async def test_only_the_first_request_waits_for_a_silent_kafka(rig):
    rig.publisher.silent = True
    await accept(rig)
    started = time.monotonic()
    for _ in range(20):
        assert await accept(rig) is Kept.SPOOL
    # Each would wait for 0.2 s if it asked Kafka; a busy machine's disk may take some of that, too.
    assert time.monotonic() - started < 20 * 0.2 / 2
    assert rig.publisher.attempts == 1


async def test_nothing_overtakes_the_spool_although_kafka_is_back(rig):
    rig.publisher.away = True
    await accept(rig)
    rig.publisher.away = False
    assert await accept(rig) is Kept.SPOOL
    assert rig.publisher.written == []


async def test_during_a_handover_events_wait_and_then_go_directly(rig):
    rig.switch.to_spool()
    rig.switch.to_handover()
    waiting = asyncio.ensure_future(accept(rig))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    rig.switch.to_direct()
    assert await waiting is Kept.KAFKA


@pytest.mark.slow
async def test_a_handover_that_hangs_costs_a_moment_and_the_spool_gets_it(rig):
    rig.switch.to_spool()
    rig.switch.to_handover()
    assert await accept(rig) is Kept.SPOOL
    assert rig.switch.way is Way.SPOOL


async def test_when_neither_takes_it_the_caller_learns_so(rig, monkeypatch):
    rig.publisher.away = True

    async def full(*_args, **_kwargs):
        raise SpoolFull("full")

    monkeypatch.setattr(rig.spool, "put", full)
    with pytest.raises(SpoolFull):
        await accept(rig)


@pytest.mark.slow
async def test_a_spool_that_does_not_answer_is_given_up_in_time(rig, monkeypatch):
    rig.publisher.away = True
    monkeypatch.setattr("ingress.spool.SpoolFile.put", lambda *_args, **_kwargs: time.sleep(1.5))
    with pytest.raises(SpoolUnusable, match="did not answer"):
        await accept(rig)


async def test_what_kafka_never_takes_does_not_go_to_the_spool(rig):
    event = question()
    rig.publisher.too_large.add(event.id)
    with pytest.raises(TooLarge):
        await accept(rig, event)
    assert rig.spool.depth == 0
    assert rig.switch.way is Way.DIRECT


async def test_the_trace_of_the_request_travels_with_a_spooled_record(rig):
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    rig.publisher.away = True
    with trace.get_tracer("test").start_as_current_span("request") as request:
        await accept(rig)
    (record,) = await spooled(rig)
    traceparent = header(record.wire.headers, "traceparent")
    assert traceparent is not None
    assert f"{request.get_span_context().trace_id:032x}" in traceparent


async def test_many_at_once_are_all_kept_whatever_kafka_does_meanwhile(rig):
    async def disturb():
        for _ in range(6):
            await asyncio.sleep(0.02)
            rig.publisher.away = not rig.publisher.away

    rig.publisher.delay_s = 0.01
    events = [question() for _ in range(300)]

    async def one(number):
        await asyncio.sleep(number / 2000)
        return await accept(rig, events[number])

    assert await one(0) is Kept.KAFKA
    await asyncio.gather(disturb(), *(one(number) for number in range(1, 299)))
    rig.publisher.away = True
    assert await one(299) is Kept.SPOOL
    there = set(rig.publisher.ids) | {record.event_id for record in await spooled(rig)}
    assert there == {event.id for event in events}


async def test_what_comes_at_one_moment_is_one_publish(rig):
    events = [question() for _ in range(20)]
    assert set(await asyncio.gather(*(accept(rig, event) for event in events))) == {Kept.KAFKA}
    assert rig.publisher.attempts == 1
    assert rig.publisher.ids == [event.id for event in events]


async def test_when_a_group_is_not_confirmed_all_of_it_goes_to_the_spool(rig):
    rig.publisher.away = True
    events = [question() for _ in range(20)]
    assert set(await asyncio.gather(*(accept(rig, event) for event in events))) == {Kept.SPOOL}
    assert {record.event_id for record in await spooled(rig)} == {event.id for event in events}


async def test_one_that_kafka_never_takes_spoils_none_of_its_group(rig):
    events = [question() for _ in range(3)]
    rig.publisher.too_large.add(events[1].id)
    found = await asyncio.gather(*(accept(rig, event) for event in events), return_exceptions=True)
    assert [found[0], found[2]] == [Kept.KAFKA, Kept.KAFKA]
    assert isinstance(found[1], TooLarge)
    assert rig.publisher.ids == [events[0].id, events[2].id]


async def test_a_caller_that_leaves_takes_none_of_its_group_along(rig):
    rig.publisher.delay_s = 0.05
    leaving, staying = (asyncio.create_task(accept(rig)) for _ in range(2))
    await asyncio.sleep(0.01)
    leaving.cancel()
    assert await staying is Kept.KAFKA
    assert len(rig.publisher.ids) == 2
