"""The engine's gate ``llm``: closed while no model has room for anybody, open the moment one does.

    closed ──room──────────────────────────▶ open
       └────every 10 s, for two seconds────▶ a look through: all that came since begin, and go back to waiting

Who needs no model is answered then, and who cannot wait any longer is told so.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from llm_worker.asking.waits import GATE
from llm_worker.budget.purses import Purses
from llm_worker.budget.visit import View
from posta.engine.gate import Gate
from posta.errors import Unavailable

_PATIENCE_S = 3.5
"""One probe waits at most so long; the engine cuts it off at 5 s."""
_LOOK_THROUGH_S = 10.0
"""So long closed, it opens for a moment."""
_LOOKING_S = 2.0
"""That moment: a question that needs a model costs some milliseconds in it, and hundreds may stand before one
that needs none. Who would have room before it is over does not wait for its end."""
_INTERVAL_S = 0.02
_BOOKS_AGAIN_S = 0.5


class RoomGate:
    """Probes the books until there is room."""

    def __init__(
        self,
        purses: Purses,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        wait: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self._purses = purses
        self._sleep = sleep
        self._wait = wait or purses.freed
        self._monotonic = monotonic
        self._probed_at = 0.0
        self._closed_at = 0.0
        self._looking_until = 0.0

    def look_left_s(self) -> float:
        """So long still it is open although there is no room, and whoever needs some must not close it."""
        return max(0.0, self._looking_until - self._monotonic())

    @property
    def gate(self) -> Gate:
        """As the engine wants it."""
        return Gate(name=GATE, probe=self.probe, interval_s=_INTERVAL_S)

    async def _look(self) -> Mapping[str, View]:
        try:
            return await self._purses.look()
        except Unavailable:
            await self._sleep(_BOOKS_AGAIN_S)  # the engine probes again at once
            raise

    async def probe(self) -> None:
        """Return when a model has room. Raises ``Unavailable`` when that is not within seconds."""
        now = self._monotonic()
        if now - self._probed_at > 2 * _PATIENCE_S:
            self._closed_at = now  # the first probe since it was closed
        self._probed_at = now
        if now - self._closed_at > _LOOK_THROUGH_S:
            self._probed_at = 0.0
            self._looking_until = now + _LOOKING_S
            return
        until = now + _PATIENCE_S
        while True:
            views = await self._look()
            room_in_s = min((view.room_in_s for view in views.values()), default=0.0)
            if room_in_s <= 0:
                self._probed_at = 0.0
                return
            left_s = until - self._monotonic()
            if left_s <= 0:
                self._probed_at = self._monotonic()
                raise Unavailable(GATE, f"there is room in {room_in_s:.3g} s")
            # Calls that end, here or elsewhere, may give room back long before the oldest use ages out.
            await self._wait(min(room_in_s, self._purses.look_again_s, left_s))
