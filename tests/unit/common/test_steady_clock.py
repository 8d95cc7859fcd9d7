import time

import pytest

from posta.engine.steady_clock import SteadyClock


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
