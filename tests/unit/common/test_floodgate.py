"""The floodgate between breaker and dispatcher: one canary at a time, and never a lost one."""

import asyncio

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from posta.domain.flood import Cause, FloodPolicy, Open, Probing
from posta.engine.dispatch import Dispatcher
from posta.engine.floodgate import HOLD, Floodgate
from posta.engine.partition import Partition, Work
from posta.telemetry import names

POLICY = FloodPolicy(in_a_row=1, cool_down_s=0.05, longest_cool_down_s=0.05)


def work(offset: int) -> Work:
    of = Partition(tp=TopicPartition("t", 0), topic="t")
    record = ConsumerRecord("t", 0, offset, 0, 0, None, b"v", None, 1, 1, ())
    return Work(record, of, 1)


@pytest.fixture
def dispatcher():
    return Dispatcher()


@pytest.fixture
async def gate(dispatcher):
    gate = Floodgate(POLICY, dispatcher, group="flooded")
    assert not gate.may_give_up(work(0), Cause.PERMANENT)
    yield gate
    gate.stop()


def paused() -> float:
    return names.INTAKE_PAUSED.labels("flooded", HOLD)._value.get()


async def the_canary(dispatcher):
    return await asyncio.wait_for(dispatcher.take(), 2)


async def test_it_holds_intake_until_the_canary_is_handled(gate, dispatcher):
    assert dispatcher.holds == {HOLD}
    assert paused() == 1
    assert gate.probe_in_s() > 0
    dispatcher.push(work(1))
    canary = await the_canary(dispatcher)
    assert dispatcher.holds == {HOLD}, "its end decides, not its start"
    gate.lived(canary)
    assert dispatcher.holds == frozenset()
    assert paused() == 0
    assert gate.probe_in_s() is None


async def test_a_canary_that_proves_nothing_is_replaced(gate, dispatcher):
    dispatcher.push(work(1))
    canary = await the_canary(dispatcher)
    gate.left(canary)
    dispatcher.push(work(2))
    replacement = await the_canary(dispatcher)
    assert replacement is not canary
    gate.lived(canary)
    assert isinstance(gate.breaker.state, Probing), "the lost one no longer speaks"
    gate.waits(replacement, used_attempt=True)
    assert dispatcher.holds == frozenset()


async def test_a_canary_that_dies_slowly_keeps_intake_held_and_another_follows(dispatcher):
    gate = Floodgate(POLICY, dispatcher, group="flooded")
    assert not gate.may_give_up(work(0), Cause.EXHAUSTED)
    for offset in (1, 2):
        dispatcher.push(work(offset))
    canary = await the_canary(dispatcher)
    gate.waits(canary, used_attempt=True)
    gate.left(canary)
    assert dispatcher.holds == {HOLD}
    gate.waits(await the_canary(dispatcher), used_attempt=False)
    assert dispatcher.holds == frozenset()
    gate.stop()


async def test_a_canary_that_dies_is_kept_and_another_follows(gate, dispatcher):
    dispatcher.push(work(1))
    canary = await the_canary(dispatcher)
    assert not gate.may_give_up(canary, Cause.EXHAUSTED)
    gate.left(canary)
    assert isinstance(gate.breaker.state, Open)
    assert gate.breaker.state.trips == 2
    dispatcher.resume(canary)
    again = await the_canary(dispatcher)
    gate.lived(again)
    assert dispatcher.holds == frozenset()


async def test_an_operator_need_not_wait_for_the_canary(gate, dispatcher):
    assert gate.resume()
    assert not gate.resume(), "there is nothing more to resume"
    assert dispatcher.holds == frozenset()
    assert paused() == 0
    await asyncio.sleep(0.1)
    assert dispatcher.holds == frozenset()


async def test_a_record_that_ran_while_it_tripped_changes_nothing(gate, dispatcher):
    gate.lived(work(5))
    gate.waits(work(6), used_attempt=True)
    gate.left(work(7))
    assert not gate.may_give_up(work(8), Cause.MALFORMED)
    assert dispatcher.holds == {HOLD}
    assert gate.breaker.state.trips == 1
