"""Timers: never before the wall clock says so, whatever the clock does meanwhile."""

import asyncio

import pytest

from posta.engine import timers as module
from posta.engine.timers import Timers


class Clock:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.slow
async def test_callbacks_come_in_order_of_their_times_and_never_early():
    clock, seen = Clock(), []
    timers = Timers(clock)
    for due in (1000.3, 1000.1, 1000.2):
        timers.at(due, lambda due=due: seen.append((due, clock.now)))
    await asyncio.sleep(0.15)
    assert seen == [], "the wall clock has not moved"
    clock.now = 1000.25
    await asyncio.sleep(0.15)
    assert [due for due, _ in seen] == [1000.1, 1000.2]
    clock.now = 1000.35
    await asyncio.sleep(0.15)
    assert [due for due, _ in seen] == [1000.1, 1000.2, 1000.3]
    assert all(at >= due for due, at in seen)
    timers.cancel_all()


@pytest.mark.slow
async def test_a_clock_set_back_postpones_and_one_set_forward_is_noticed_within_a_step(monkeypatch):
    monkeypatch.setattr(module, "_STEP_S", 0.05)
    clock, seen = Clock(), []
    timers = Timers(clock)
    timers.at(1000.05, lambda: seen.append(clock.now))
    clock.now = 400.0
    await asyncio.sleep(0.2)
    assert seen == [], "ten minutes back: it waits for the clock"
    clock.now = 1600.0
    await asyncio.sleep(0.15)
    assert seen == [1600.0]


async def test_a_callback_may_add_another():
    clock, seen = Clock(), []
    timers = Timers(clock)

    def first():
        seen.append("first")
        timers.at(clock.now, lambda: seen.append("second"))

    timers.at(clock.now, first)
    await asyncio.sleep(0.05)
    assert seen == ["first", "second"]


async def test_cancelled_ones_never_come():
    clock, seen = Clock(), []
    timers = Timers(clock)
    timers.at(1000.01, lambda: seen.append("no"))
    timers.cancel_all()
    clock.now = 2000
    await asyncio.sleep(0.05)
    assert seen == []
