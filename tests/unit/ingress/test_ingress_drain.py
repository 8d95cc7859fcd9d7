"""The spool reaches Kafka in order, completely, and the way is then direct again."""

import asyncio

import pytest
from support.ingress_rig import NOW, entry

from ingress.spool_file import SpoolUnusable
from ingress.switch import Way
from posta.domain.envelope import Event
from posta.domain.payloads import EventPublished
from posta.topics import EVENTS_PUBLISHED

pytestmark = pytest.mark.slow


def event(number):
    data = EventPublished(
        destination="ops",
        publisher="p",
        client_id=str(number),
        client_type="t",
        client_source="/s",
        occurred_at="2026-01-01T00:00:00Z",
    )
    return Event(id=f"e{number}", source="/ingress", time=NOW, key="ops", data=data)


async def accept(rig, number):
    return await rig.acceptor.accept("event", EVENTS_PUBLISHED, event(number))


async def fill(rig, *names):
    rig.switch.to_spool()
    # Begun in order, kept in order, with few commits.
    await asyncio.gather(*(rig.spool.put(entry(name), timeout_s=5) for name in names))


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def test_an_empty_spool_opens_the_direct_way_as_soon_as_kafka_answers(rig):
    rig.switch.to_spool()
    rig.publisher.away = True
    async with rig.draining():
        await asyncio.sleep(0.05)
        assert rig.switch.way is Way.SPOOL
        rig.publisher.away = False
        await rig.until_direct()


async def test_what_an_earlier_process_left_is_published_first_and_in_order(rig):
    names = [f"e{i}" for i in range(1200)]
    await fill(rig, *names)
    async with rig.draining():
        await rig.until_direct()
    assert rig.publisher.ids == names
    assert rig.spool.depth == 0


async def test_the_record_arrives_as_it_was_put(rig):
    await fill(rig, "a")
    async with rig.draining():
        await rig.until_direct()
    ((topic, wire),) = rig.publisher.written
    assert (topic, wire) == ("t", entry("a").wire)


async def test_nothing_is_removed_before_it_is_confirmed(rig):
    await fill(rig, "a", "b")
    rig.publisher.loses_answer = True
    async with rig.draining():
        await until(lambda: rig.publisher.attempts >= 1)
        assert rig.spool.depth == 2
        rig.publisher.loses_answer = False
        await rig.until_direct()
    # Doubled by the lost answer, which consumers see by the id; first occurrences in order.
    assert list(dict.fromkeys(rig.publisher.ids)) == ["a", "b"]


async def test_a_file_that_fails_to_forget_does_not_flood_kafka(rig, monkeypatch):
    await fill(rig, "a", "b")
    original = rig.spool.remove
    failures = iter([True, True, False])

    async def remove(**given):
        if next(failures, False):
            raise SpoolUnusable("disk full")
        await original(**given)

    monkeypatch.setattr(rig.spool, "remove", remove)
    async with rig.draining():
        await rig.until_direct()
    assert rig.publisher.ids == ["a", "b"]
    assert rig.spool.depth == 0


async def test_a_record_kafka_never_takes_is_put_aside_and_the_rest_goes_on(rig):
    rig.publisher.too_large.add("bad")
    await fill(rig, "a", "bad", "c")
    async with rig.draining():
        await rig.until_direct()
    assert rig.publisher.ids == ["a", "c"]
    assert (rig.spool.contents.waiting, rig.spool.contents.refused) == (0, 1)


async def test_steady_traffic_gets_back_to_the_direct_way_in_order(rig):
    rig.publisher.delay_s = 0.002
    rig.publisher.away = True
    kept = []

    async def traffic():
        # Without a pause, for as long as it takes: how soon the drainer tries again is its own affair.
        while kept[-20:] != ["kafka"] * 20:
            kept.append(await accept(rig, len(kept)))

    async with rig.draining(), asyncio.timeout(20):
        sending = asyncio.create_task(traffic())
        await until(lambda: len(kept) >= 20)
        assert set(kept) == {"spool"}
        rig.publisher.away = False
        await sending
    assert rig.publisher.ids == [f"e{number}" for number in range(len(kept))]


async def test_an_outage_while_draining_keeps_everything(rig):
    rig.publisher.delay_s = 0.001
    await fill(rig, *(f"x{i}" for i in range(600)))
    async with rig.draining():
        await until(lambda: len(rig.publisher.written) >= 500)
        rig.publisher.away = True
        await accept(rig, 1)
        rig.publisher.away = False
        await rig.until_direct()
    assert list(dict.fromkeys(rig.publisher.ids)) == [*(f"x{i}" for i in range(600)), "e1"]


async def test_an_event_that_reached_the_spool_late_is_found(rig):
    async with rig.draining():
        await rig.until_direct()
        await rig.spool.put(entry("late"), timeout_s=5)
        await until(lambda: rig.publisher.ids == ["late"])


async def test_ready_means_that_an_event_could_be_accepted(rig, monkeypatch):
    assert await rig.drainer.ready_fault() is None
    rig.switch.to_spool()
    assert await rig.drainer.ready_fault() is None
    rig.spool.fault = "disk gone"
    assert "disk gone" in (await rig.drainer.ready_fault() or "")
    rig.switch.to_direct()
    assert await rig.drainer.ready_fault() is None


async def test_live_means_that_the_drainer_and_the_thread_go_on(rig, monkeypatch):
    assert await rig.drainer.live_fault() is None
    monkeypatch.setattr("ingress.drain.time.monotonic", lambda: rig.drainer._beat + 31)
    assert "stuck for 31 s" in (await rig.drainer.live_fault() or "")


@pytest.mark.parametrize("fault", ["away", "silent"])
async def test_it_ends_at_once_when_told_to(rig, fault):
    await fill(rig, "a")
    setattr(rig.publisher, fault, True)
    async with asyncio.timeout(1):
        async with rig.draining():
            await asyncio.sleep(0.05)
    assert rig.spool.depth == 1
