"""Work beside the messages: begun with a block, ended with it, begun anew when it fails."""

import asyncio

import pytest
from structlog.testing import capture_logs

from posta import background
from posta.background import alongside, regularly
from posta.errors import Unavailable
from posta.telemetry import names


async def test_it_runs_for_the_block_and_not_a_moment_longer():
    begun, ended = asyncio.Event(), []

    async def work():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async with alongside(work, name="w"):
        await begun.wait()
        assert not ended
    assert ended


async def test_what_fails_is_told_and_counted_and_begins_anew(monkeypatch):
    monkeypatch.setattr(background, "_PAUSE_S", 0.001)
    before = names.BACKGROUND_FAILED.labels("flaky")._value.get()
    tries, third = [], asyncio.Event()

    async def work():
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("not foreseen")
        third.set()
        await asyncio.Event().wait()

    with capture_logs() as lines:
        async with alongside(work, name="flaky"):
            async with asyncio.timeout(5):
                await third.wait()
    assert [(line["event"], line["work"], line["log_level"]) for line in lines] == [
        ("background_work_failed", "flaky", "error")
    ] * 2
    assert names.BACKGROUND_FAILED.labels("flaky")._value.get() == before + 2


async def test_the_block_ends_also_while_the_work_pauses_after_a_failure():
    tries = []

    async def work():
        tries.append(1)
        raise RuntimeError("not foreseen")

    async with asyncio.timeout(5), alongside(work, name="w"):
        await asyncio.sleep(0.01)
    assert tries == [1]


async def test_what_the_block_raises_is_the_callers_and_the_work_is_ended():
    ended = asyncio.Event()

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(KeyError):
        async with alongside(work, name="w"):
            await asyncio.sleep(0)
            raise KeyError("of the block")
    assert ended.is_set()


async def test_chores_are_done_in_order_again_and_again():
    done, enough = [], asyncio.Event()

    async def chore(name):
        done.append(name)
        if len(done) == 6:
            enough.set()

    async with regularly(lambda: chore("a"), lambda: chore("b"), name="chores", every_s=0.001):
        async with asyncio.timeout(5):
            await enough.wait()
    assert done[:6] == ["a", "b"] * 3


async def test_the_first_time_comes_when_it_was_said_to():
    begun = asyncio.Event()

    async def chore():
        begun.set()

    async with regularly(chore, name="chores", every_s=0.001, first_s=60):
        await asyncio.sleep(0.02)
    assert not begun.is_set()


async def test_a_failure_that_was_foreseen_puts_the_rest_off_to_the_next_time_and_is_told():
    done, tried = [], asyncio.Event()

    async def fails_once():
        done.append("first")
        if len(done) == 1:
            raise Unavailable("postgres", "away")

    async def follows():
        done.append("second")
        tried.set()

    with capture_logs() as lines:
        async with regularly(fails_once, follows, name="chores", every_s=0.001):
            async with asyncio.timeout(5):
                await tried.wait()
    assert done[:3] == ["first", "first", "second"]
    assert [(line["event"], line["work"], line["log_level"]) for line in lines] == [
        ("background_work_put_off", "chores", "warning")
    ]
