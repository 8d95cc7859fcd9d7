"""Goes on with a coroutine that was begun by hand and wants to wait.

A handler is first run as far as it goes without waiting (``coroutine.send(None)``): most of what a
fast handler does ends there, without a future, a timer or a switch of tasks. If it does wait, this
lets the current task await the rest, as if it had awaited the handler from its beginning.
"""

from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Begun(Generic[T]):
    """The rest of ``coroutine``, whose first step yielded ``first``."""

    __slots__ = ("_coroutine", "_first")

    def __init__(self, coroutine: Coroutine[Any, Any, T], first: Any) -> None:
        self._coroutine = coroutine
        self._first = first

    def __await__(self) -> Generator[Any, Any, T]:
        coroutine, wanted = self._coroutine, self._first
        try:
            while True:
                try:
                    answer = yield wanted
                except BaseException as exc:  # noqa: BLE001 - a cancellation too is the handler's to meet
                    wanted = coroutine.throw(exc)
                else:
                    wanted = coroutine.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result


async def awaiting(awaitable: Awaitable[T]) -> T:
    """A coroutine for what is awaitable in another way."""
    return await awaitable
