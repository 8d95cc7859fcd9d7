"""Tasks end and waits are bounded, even around code that swallows cancellations."""

import asyncio
import contextlib

import pytest

from posta.tasks import end, within


async def _swallows(times: int) -> None:
    for _ in range(times):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again(monkeypatch):
    monkeypatch.setattr("posta.tasks._AGAIN_S", 0.01)
    task = asyncio.create_task(_swallows(2))
    await asyncio.sleep(0)
    await end(task)
    assert task.cancelled()


async def test_a_task_that_has_failed_keeps_its_error_for_who_asks():
    async def broken() -> None:
        raise ValueError("its own")

    task = asyncio.create_task(broken())
    await asyncio.sleep(0)
    await end(task)
    with pytest.raises(ValueError, match="its own"):
        task.result()


async def test_a_result_or_an_error_comes_through():
    async def one() -> int:
        return 1

    async def broken() -> None:
        raise ValueError("its own")

    assert await within(5, one()) == 1
    with pytest.raises(ValueError, match="its own"):
        await within(5, broken())


async def test_a_wait_ends_in_time_though_the_work_swallows_its_cancellation():
    with pytest.raises(TimeoutError):
        await within(0.01, _swallows(1))


async def test_the_callers_own_cancellation_is_never_swallowed_with_the_works():
    waiting = asyncio.create_task(within(60, _swallows(1)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting], timeout=1)
    assert waiting.cancelled()


async def test_a_cancellation_at_the_very_moment_the_work_is_done_still_counts():
    ready = asyncio.Event()

    async def work() -> str:
        await ready.wait()
        return "done"

    waiting = asyncio.create_task(within(60, work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ready.set()
    await asyncio.sleep(0)  # the work is done, the waiter not yet told
    waiting.cancel()
    await asyncio.wait([waiting], timeout=1)
    assert waiting.cancelled()
