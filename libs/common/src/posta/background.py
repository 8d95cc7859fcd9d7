"""Work that goes on for as long as something else does: keeping up with a registry, pruning, writing behind.

block begins ─▶ work ──block ends──▶ ended
│ ▲
fails ▼ │ a pause later
told, counted
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from posta.errors import Failure
from posta.tasks import end
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_PAUSE_S = 5.0
Work = Callable[[], Coroutine[Any, Any, None]]


@asynccontextmanager
async def alongside(work: Work, *, name: str) -> AsyncIterator[None]:
    """Do ``work``, which goes on for ever, while the block runs.

    It handles its own failures; one that it did not foresee is logged and counted, and it begins anew.
    """
    task = asyncio.create_task(_do(work, name), name=name)
    try:
        yield
    finally:
        await end(task)


def regularly(
    *chores: Callable[[], Awaitable[object]], name: str, every_s: float, first_s: float = 0.0
) -> AbstractAsyncContextManager[None]:
    """Do ``chores`` in order every ``every_s`` seconds while the block runs, first after ``first_s``.

    A ``Failure``, such as the database being away, is logged, and puts the rest off to the next time.
    """

    async def work() -> None:
        await asyncio.sleep(first_s)
        while True:
            try:
                for chore in chores:
                    await chore()
            except Failure as exc:
                log.warning("background_work_put_off", work=name, reason=str(exc), again_in_s=every_s)
            await asyncio.sleep(every_s)

    return alongside(work, name=name)


async def _do(work: Work, name: str) -> None:
    while True:
        try:
            await work()
        except Exception:
            # Whatever it was: keys that are never read again, a table never pruned, would be worse.
            names.BACKGROUND_FAILED.labels(name).inc()
            log.exception("background_work_failed", work=name, again_in_s=_PAUSE_S)
            await asyncio.sleep(_PAUSE_S)
        else:
            return
