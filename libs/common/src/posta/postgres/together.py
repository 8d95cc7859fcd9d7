"""Does with one statement what many callers ask for at the same time.

    asked ─▶ waiting ──a turn of the loop, or the end of the group before──▶ under way ─▶ each told its own

Groups grow by themselves: while one is under way the next one waits, so a busy database gets fewer and
larger statements, and an idle one is asked at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from posta.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")
_Asked = tuple[T, asyncio.Future[R]]

AT_ONCE = 2
"""Groups under way at a time: one is written while the other is on its way."""
MOST = 200
"""In one group."""


class Together(Generic[T, R]):
    """Calls ``do`` with what was asked since the last time; it returns as many results, in their order."""

    def __init__(self, do: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._do = do
        self._waiting: list[_Asked[T, R]] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._is_called = False

    async def ask(self, one: T) -> R:
        """The result for ``one``. Raises what ``do`` raises for it.

        Who is cancelled before its group sets out has asked for nothing.
        """
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[R] = loop.create_future()
        self._waiting.append((one, asked))
        if not self._is_called:
            self._is_called = True
            loop.call_soon(self._set_out)
        return await asked

    def _set_out(self) -> None:
        self._is_called = False
        self._waiting = [(one, asked) for one, asked in self._waiting if not asked.done()]
        while self._waiting and len(self._under_way) < AT_ONCE:
            group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            task = asyncio.get_running_loop().create_task(self._carry_out(group))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._set_out()

    async def _carry_out(self, group: Sequence[_Asked[T, R]]) -> None:
        try:
            results = await self._do([one for one, _ in group])
        except Unavailable as exc:
            _fail(group, exc)
        except asyncio.CancelledError:
            for _, asked in group:
                asked.cancel()
            raise
        except Exception as exc:  # noqa: BLE001 - it is the callers' to handle
            if len(group) == 1:
                _fail(group, exc)
                return
            # One of them is at fault; which one, each learns alone.
            for one in group:
                await self._carry_out([one])
        else:
            for (_, asked), result in zip(group, results, strict=True):
                if not asked.done():
                    asked.set_result(result)


def _fail(group: Sequence[_Asked[T, R]], error: Exception) -> None:
    for _, asked in group:
        if not asked.done():
            asked.set_exception(error)
