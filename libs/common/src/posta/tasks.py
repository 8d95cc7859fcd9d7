"""Ends tasks and bounds waits around code that may swallow a cancellation.

asyncio's own ``wait_for`` (before 3.12) and aiokafka's ``stop()`` (it suppresses CancelledError
while it closes) both do at times: a task cancelled at that very moment runs on as if nothing had
happened, and ``asyncio.timeout`` around it never ends. ``asyncio.wait`` does not, so the functions
here stand on it and give the foreign code a task of its own.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_AGAIN_S = 0.5
_left: set["asyncio.Task[Any]"] = set()
"""Given up but not yet ended; asyncio itself keeps no strong reference to a task."""


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel ``tasks``, again each half second, and return when all have ended.

    What they raised is left in them for whoever asks.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_S)


async def within(limit_s: float, work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns; raise TimeoutError when that takes longer than ``limit_s`` seconds.

    Then, or when the caller is cancelled, ``work`` is cancelled and not waited for.
    """
    task = asyncio.create_task(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=limit_s)
    except BaseException:
        _let_go(task)
        raise
    if not done:
        _let_go(task)
        raise TimeoutError(f"not done within {limit_s:g} s")
    return task.result()


async def unbroken(limit_s: float, work: Coroutine[Any, Any, T]) -> T:
    """Like ``within``, but ``work`` is never cancelled: when nobody waits any more it goes on to its end.

    For what leaks when it is broken off, such as a client that is connecting; it must end by itself.
    """
    task = asyncio.create_task(work)
    _left.add(task)
    task.add_done_callback(_forget)
    done, _ = await asyncio.wait({task}, timeout=limit_s)
    if not done:
        raise TimeoutError(f"not done within {limit_s:g} s")
    return task.result()


def _let_go(task: "asyncio.Task[Any]") -> None:
    _left.add(task)
    task.add_done_callback(_forget)
    task.cancel()


def _forget(task: "asyncio.Task[Any]") -> None:
    _left.discard(task)
    if not task.cancelled():
        # Looked at, so that asyncio does not complain of an error that nobody waits for any more.
        task.exception()
