"""A process that stood still for longer than its session starts nothing that it fetches then."""

import asyncio
import time

import pytest

from posta.engine import suspension
from posta.engine.suspension import Suspended, Suspension

pytestmark = pytest.mark.slow


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(suspension, "_TICK_S", 0.01)
    watch = Suspension(0.1)
    yield watch
    watch.end()


async def test_a_loop_that_goes_round_is_not_suspended(quick):
    quick.begin()
    for _ in range(15):
        await asyncio.sleep(0.01)
        quick.check()


@pytest.mark.parametrize("looks_first", ["who asks", "the watch"])
async def test_a_long_standstill_is_noticed_whoever_looks_first_until_a_new_life_begins(quick, looks_first):
    quick.begin()
    await asyncio.sleep(0.02)
    time.sleep(0.15)  # noqa: ASYNC251 - what SIGSTOP does
    if looks_first == "the watch":
        await asyncio.sleep(0.03)
    with pytest.raises(Suspended, match="longer than its session"):
        quick.check()
    quick.begin()
    quick.check()
