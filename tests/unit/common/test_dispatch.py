"""The dispatcher and its gates: who may start, who waits, who is forgotten."""

import asyncio

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from posta.engine.dispatch import Dispatcher
from posta.engine.gate import Gate
from posta.engine.gatekeeper import Gatekeeper
from posta.engine.partition import Partition, Phase, Work
from posta.errors import Unavailable


def partition(number: int = 0) -> Partition:
    return Partition(tp=TopicPartition("t", number), topic="t")


def work(of: Partition, offset: int, key: bytes | None = b"k") -> Work:
    record = ConsumerRecord("t", of.tp.partition, offset, 0, 0, key, b"v", None, 1, 1, ())
    return Work(record, of, 2, key)


async def taken(dispatcher: Dispatcher) -> int | None:
    try:
        return (await asyncio.wait_for(dispatcher.take(), 0.05)).record.offset
    except TimeoutError:
        return None


async def test_one_record_of_a_key_at_a_time_and_those_without_a_key_alone():
    dispatcher, part = Dispatcher(), partition()
    works = [work(part, 0), work(part, 1), work(part, 2, key=None), work(part, 3, key=None)]
    for one in works:
        dispatcher.push(one)
    assert [await taken(dispatcher) for _ in range(4)] == [0, 2, 3, None]
    dispatcher.done(works[0])
    assert await taken(dispatcher) == 1


async def test_a_resumed_record_goes_before_all_others_and_still_holds_its_key():
    dispatcher, part = Dispatcher(), partition()
    first, second, other = work(part, 0), work(part, 1), work(part, 2, key=b"other")
    for one in (first, second, other):
        dispatcher.push(one)
    assert await taken(dispatcher) == 0
    dispatcher.resume(first)
    assert [await taken(dispatcher) for _ in range(3)] == [0, 2, None]


async def test_a_waiting_worker_is_woken_and_a_cancelled_one_takes_nothing_with_it():
    dispatcher, part = Dispatcher(), partition()
    gone = asyncio.create_task(dispatcher.take())
    waiting = asyncio.create_task(dispatcher.take())
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    dispatcher.push(work(part, 0))
    assert (await asyncio.wait_for(waiting, 1)).record.offset == 0


async def test_nothing_starts_while_any_hold_is_on():
    dispatcher, part = Dispatcher(), partition()
    dispatcher.hold("postgres")
    dispatcher.hold("operator")
    dispatcher.push(work(part, 0))
    assert await taken(dispatcher) is None
    dispatcher.release("postgres")
    assert dispatcher.holds == {"operator"}
    assert await taken(dispatcher) is None
    dispatcher.release("operator")
    assert await taken(dispatcher) == 0


async def test_a_lost_partitions_work_is_forgotten_and_another_ones_is_not():
    dispatcher, lost, kept = Dispatcher(), partition(0), partition(1)
    parked = work(lost, 0)
    dispatcher.push(parked)
    assert await taken(dispatcher) == 0
    dispatcher.resume(parked)
    dispatcher.push(work(lost, 1, key=b"x"))
    dispatcher.push(work(kept, 7))
    dispatcher.drop([lost])
    assert [await taken(dispatcher) for _ in range(2)] == [7, None]


def test_a_closed_partition_ignores_completions():
    part = partition()
    late = work(part, 0)
    part.receive([late], 0.0)
    part.phase = type(part.phase).CLOSED
    part.finish(late)
    assert part.to_commit is None
    assert part.watermark.committable == 0, "the next owner does it again"


async def test_a_gate_opens_when_its_probe_succeeds_and_unknown_ones_do_not_close():
    dispatcher, answers = Dispatcher(), [Unavailable("db", "no"), OSError("refused"), None]

    async def probe():
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    keeper = Gatekeeper([Gate(name="db", probe=probe, interval_s=0.01)], dispatcher, group="g")
    assert not keeper.close("something else")
    assert keeper.close("db")
    assert keeper.close("db"), "closing twice is one closing"
    assert dispatcher.holds == {"db"}
    await asyncio.sleep(0.2)
    assert dispatcher.holds == frozenset()
    assert answers == []
    await keeper.stop()


@pytest.mark.slow
async def test_a_probe_that_hangs_is_cut_and_tried_again(monkeypatch):
    monkeypatch.setattr("posta.engine.gatekeeper._PROBE_TIMEOUT_S", 0.02)
    dispatcher, calls = Dispatcher(), []

    async def probe():
        calls.append(1)
        if len(calls) < 3:
            await asyncio.sleep(60)

    keeper = Gatekeeper([Gate(name="db", probe=probe, interval_s=0.01)], dispatcher, group="g")
    keeper.close("db")
    await asyncio.sleep(0.3)
    assert dispatcher.holds == frozenset()
    assert len(calls) == 3


@pytest.mark.parametrize("finished", [[0], [0, 1], [1]])
def test_what_a_partition_holds_is_counted_down(finished):
    part = partition()
    works = [work(part, n) for n in range(2)]
    part.receive(works, 0.0)
    assert (part.held, part.held_bytes) == (2, 4)
    for number in finished:
        part.finish(works[number])
    assert part.held == 2 - len(finished)
    assert part.to_commit == (0 if finished == [1] else len(finished))


async def test_one_record_passes_a_hold_and_the_next_needs_a_word_of_its_own():
    dispatcher, part, chosen = Dispatcher(), partition(), []
    for offset in range(3):
        dispatcher.push(work(part, offset, key=None))
    dispatcher.hold("flood")
    dispatcher.admit_one("flood", chosen.append)
    assert [await taken(dispatcher), await taken(dispatcher)] == [0, None]
    assert [one.record.offset for one in chosen] == [0]
    dispatcher.release("flood")
    assert [await taken(dispatcher), await taken(dispatcher)] == [1, 2]
    assert len(chosen) == 1


async def test_a_record_that_may_pass_one_hold_waits_for_the_others():
    dispatcher, chosen = Dispatcher(), []
    dispatcher.push(work(partition(), 7))
    dispatcher.hold("flood")
    dispatcher.hold("postgres")
    dispatcher.admit_one("flood", chosen.append)
    assert await taken(dispatcher) is None
    taking = asyncio.create_task(dispatcher.take())
    await asyncio.sleep(0)
    dispatcher.release("postgres")
    assert (await asyncio.wait_for(taking, 1)) is chosen[0]


async def test_kept_and_fresh_records_pass_a_hold_in_turns():
    dispatcher, part, chosen = Dispatcher(), partition(), []
    kept = work(part, 0)
    dispatcher.push(kept)
    for offset in (1, 2):
        dispatcher.push(work(part, offset, key=None))
    assert await taken(dispatcher) == 0
    dispatcher.resume(kept)
    dispatcher.hold("flood")
    seen = []
    for _ in range(4):
        dispatcher.admit_one("flood", chosen.append)
        offset = await taken(dispatcher)
        seen.append(offset)
        if offset == 0:
            dispatcher.resume(kept)
    assert seen == [0, 1, 0, 2]


async def test_a_hold_is_as_old_as_its_first_word():
    now = 100.0
    dispatcher = Dispatcher(clock=lambda: now)
    dispatcher.hold("operator: lunch")
    now = 200.0
    dispatcher.hold("operator: lunch")
    assert dispatcher.held_since == {"operator: lunch": 100.0}


async def test_topics_have_their_shares_partitions_and_keys_their_turns():
    dispatcher = Dispatcher(weights={"vip": 2})
    vip = Partition(tp=TopicPartition("vip", 0), topic="vip")
    first, second = partition(0), partition(1)
    for offset in range(4):
        dispatcher.push(work(vip, offset, key=None))
        dispatcher.push(work(first, 10 + offset, key=None))
    dispatcher.push(work(second, 20, key=None))
    order = [await taken(dispatcher) for _ in range(9)]
    assert order == [0, 1, 10, 2, 3, 20, 11, 12, 13]


async def test_kept_records_do_not_starve_the_others():
    dispatcher, part = Dispatcher(), partition()
    for offset in range(6):
        dispatcher.resume(work(part, offset))
    for offset in (10, 11):
        dispatcher.push(work(part, offset, key=None))
    assert [await taken(dispatcher) for _ in range(8)] == [0, 1, 2, 10, 3, 4, 5, 11]


async def test_a_worker_that_is_ended_as_it_is_woken_passes_the_call_on():
    dispatcher = Dispatcher()
    ended = asyncio.create_task(dispatcher.take())
    waiting = asyncio.create_task(dispatcher.take())
    await asyncio.sleep(0)
    dispatcher.push(work(partition(), 7))
    ended.cancel()
    assert (await asyncio.wait_for(waiting, 1)).record.offset == 7


async def test_what_ends_in_a_draining_partition_starts_nothing_behind_it():
    dispatcher, part = Dispatcher(), partition()
    first = work(part, 0)
    dispatcher.push(first)
    dispatcher.push(work(part, 1))
    assert await taken(dispatcher) == 0
    part.phase = Phase.DRAINING
    dispatcher.drop([part])
    dispatcher.done(first)
    assert await taken(dispatcher) is None
