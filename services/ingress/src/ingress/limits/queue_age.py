"""Knows how long questions wait before a worker takes them, looked up each second."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from posta.background import alongside
from posta.errors import Unavailable
from posta.tasks import within
from posta.telemetry import names

_EVERY_S = 1.0
_LOOK_S = 2.0
_AWAY_S = 5.0


class QueueAge:
    """The age of the queue, in seconds; nought while nobody knows it."""

    def __init__(
        self, shared: Callable[[], Awaitable[float]] | None, spooled: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._shared = shared
        self._spooled = spooled
        self._waited_s = 0.0

    @property
    def seconds(self) -> float:
        """How long the questions before wait, those in the spool included."""
        return max(self._waited_s, self._spooled())

    def watching(self) -> AbstractAsyncContextManager[None]:
        """Look while the block runs."""
        return alongside(self._look_on, name="queue age")

    async def _look_on(self) -> None:
        while True:
            pause_s = await self.look()
            names.QUEUE_AGE.set(self.seconds)
            await asyncio.sleep(pause_s)

    async def look(self) -> float:
        """Look once; return how many seconds to wait before the next time."""
        if self._shared is None:
            return _EVERY_S
        try:
            self._waited_s = await within(_LOOK_S, _awaited(self._shared()))
        except (TimeoutError, Unavailable):
            # Nobody is turned away because of what is not known.
            self._waited_s = 0.0
            return _AWAY_S
        return _EVERY_S


async def _awaited(found: Awaitable[float]) -> float:
    return await found
