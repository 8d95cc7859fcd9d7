"""The watch over handlers: those over their time are cut, others never notice."""

import asyncio

import pytest

from posta.engine.begun import Begun, awaiting
from posta.engine.watch import Watch


async def guarded(watch: Watch, handler) -> str:
    task = asyncio.current_task()
    watch.arm(task)
    try:
        await handler
    except asyncio.CancelledError:
        if watch.disarm(task) and not task.cancelling():
            return "cut"
        raise
    return "cut late" if watch.disarm(task) else "ended"


async def test_only_those_over_their_time_are_cut_and_their_tasks_go_on():
    watch, done = Watch(0.05), asyncio.Event()

    async def one():
        return await guarded(watch, asyncio.sleep(60)), await guarded(watch, done.wait())

    slow = asyncio.create_task(one())
    quick = asyncio.create_task(guarded(watch, asyncio.sleep(0)))
    assert await quick == "ended"
    await asyncio.sleep(0.06)
    done.set()
    assert await asyncio.wait_for(slow, 5) == ("cut", "ended")


async def test_a_cancellation_from_elsewhere_is_not_taken_for_the_limit():
    watch = Watch(60)
    task = asyncio.create_task(guarded(watch, asyncio.sleep(60)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    watch.stop()


async def test_what_was_begun_by_hand_goes_on_as_if_it_had_been_awaited():
    woken = asyncio.get_running_loop().create_future()

    async def handler():
        try:
            first = await woken
            await asyncio.sleep(0)
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        except TimeoutError:
            return first, "its own timeout"

    coroutine = handler()
    begun = Begun(coroutine, coroutine.send(None))
    woken.set_result("woken")
    assert await begun == ("woken", "its own timeout")


async def test_a_cancellation_reaches_what_was_begun_by_hand():
    cleaned = []

    async def handler():
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(True)

    coroutine = handler()
    begun = Begun(coroutine, coroutine.send(None))
    task = asyncio.ensure_future(awaiting(begun))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == [True]
