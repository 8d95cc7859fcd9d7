"""Looks into a registry for what is not known, so that what was registered a moment ago is found at once.

    asked ─▶ a look that began since? ─▶ yes: that tells
                                      └▶ no: the next one, not sooner than ``soonest_s`` after the last

All who ask at the same time share a look: however many unknown names are asked for, it is read no more often.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable


class Looks:
    """``read`` reads the registry; times are in seconds by ``clock``, which is monotonic."""

    def __init__(
        self,
        read: Callable[[], Awaitable[None]],
        *,
        soonest_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._read = read
        self._soonest_s = soonest_s
        self._clock = clock
        self._sleep = sleep
        self._reading = asyncio.Lock()
        self._began_at = float("-inf")
        """When the last look that ended well began: it knows nothing of what was registered since."""

    async def look(self) -> None:
        """Read now. Raises what ``read`` raises."""
        async with self._reading:
            await self._look()

    async def look_unless(self, is_known: Callable[[], bool]) -> None:
        """Return when it is known, or a look that began after the call has ended. Raises as ``look``."""
        asked = self._clock()
        async with self._reading:
            if self._began_at >= asked or is_known():
                return
            if (wait_s := self._began_at + self._soonest_s - asked) > 0:
                await self._sleep(wait_s)
            await self._look()

    async def _look(self) -> None:
        began_at = self._clock()
        await self._read()
        self._began_at = began_at
