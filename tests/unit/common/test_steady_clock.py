"""The engine's clock and its timers while the machine's clock is set under them."""

import time

import pytest
from prometheus_client import REGISTRY
from support.logged import logged

from posta.engine import timers as timers_module
from posta.engine.steady_clock import SteadyClock
from posta.engine.timers import Timers


class Machine:
    """A wall clock that can be set, and an uptime that cannot."""

    def __init__(self) -> None:
        self.set_by = 0.0
        self.up = 50.0

    def wall(self) -> float:
        return 1_000_000.0 + self.up + self.set_by

    def uptime(self) -> float:
        return self.up


def offset() -> float | None:
    return REGISTRY.get_sample_value("posta_clock_offset_seconds")


@pytest.mark.parametrize("jump_s", [600.0, -600.0])
def test_a_clock_set_by_ten_minutes_moves_nothing_and_is_told_once(jump_s):
    machine = Machine()
    clock = SteadyClock(wall=machine.wall, uptime=machine.uptime)
    before = clock()
    machine.set_by = jump_s
    machine.up += 3
    assert clock() == before + 3
    with logged() as lines:
        clock.look()
        clock.look()
        assert [line["by_s"] for line in lines["clock_was_set"]] == [jump_s]
        assert offset() == jump_s
        machine.set_by = 0.0
        clock.look()
    assert offset() == 0
    assert [line["by_s"] for line in lines["clock_was_set"]] == [jump_s, -jump_s], "back is a jump, too"


def test_the_slow_correction_of_a_time_server_is_no_jump():
    machine = Machine()
    clock = SteadyClock(wall=machine.wall, uptime=machine.uptime)
    with logged() as lines:
        for _ in range(100):
            machine.set_by += 0.05
            clock.look()
    assert lines["clock_was_set"] == []


def test_it_starts_with_the_machines_time():
    assert abs(SteadyClock()() - time.time()) < 5


@pytest.mark.parametrize("jump_s", [600.0, -600.0])
async def test_a_timer_is_neither_early_nor_stuck_when_the_clock_is_set(monkeypatch, jump_s):
    machine = Machine()
    clock = SteadyClock(wall=machine.wall, uptime=machine.uptime)
    monkeypatch.setattr(timers_module, "_STEP_S", 0.0)
    timers, called = Timers(clock), []
    timers.at(clock() + 60, lambda: called.append(machine.up))
    machine.set_by = jump_s
    machine.up += 59.9
    timers._fire()
    assert called == []
    machine.up += 0.2
    timers._fire()
    assert called == [machine.up]
    timers.cancel_all()


@pytest.mark.parametrize("step_s", [600.0, -600.0])
def test_it_shows_the_wall_clock_and_follows_no_step_of_it(monkeypatch, step_s):
    before = time.time()
    clock = SteadyClock()
    assert before - 0.01 <= clock() <= time.time() + 0.01
    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() + step_s)
    assert abs(clock() - wall()) < 0.1


def test_it_never_goes_back():
    clock = SteadyClock()
    shown = [clock() for _ in range(100)]
    assert shown == sorted(shown)
