"""Which way events go: straight to Kafka, or through the spool until it has caught up.

    DIRECT --a publish failed--> SPOOL -------nearly empty--------> HANDOVER --spool empty--> DIRECT
                                  |  ^---- a publish failed, or it took too long ----'          ^
                                  '---------------------- spool empty --------------------------'

In HANDOVER new events wait a moment instead of joining the spool, which steady traffic would
otherwise never let run empty. It starts as SPOOL: Kafka counts as away until the drainer met it.
So no event overtakes one that waits in the spool, and while Kafka is away no request waits for it.
"""

import asyncio
from enum import Enum


class Way(Enum):
    """Where an event goes next."""

    DIRECT = "direct"
    SPOOL = "spool"
    HANDOVER = "handover"


class Switch:
    """The current way, and those who wait for it to change."""

    def __init__(self) -> None:
        self.way = Way.SPOOL
        self._settled = asyncio.Event()
        self._settled.set()
        self._spooling = asyncio.Event()
        self._spooling.set()

    def to_spool(self) -> None:
        """Kafka did not take an event, or a handover took too long."""
        self._enter(Way.SPOOL)

    def to_handover(self) -> None:
        """What is left in the spool is on its way; new events wait. Nothing to do unless spooling."""
        if self.way is Way.SPOOL:
            self._enter(Way.HANDOVER)

    def to_direct(self) -> None:
        """The spool is empty."""
        self._enter(Way.DIRECT)

    async def settled(self, *, timeout_s: float) -> Way:
        """The way, once no handover is under way; one that outlasts ``timeout_s`` is broken off."""
        if self.way is Way.HANDOVER:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._settled.wait()
            except TimeoutError:
                self.to_spool()
        return self.way

    async def left_direct(self, *, timeout_s: float) -> bool:
        """Whether the spool is in use, after waiting up to ``timeout_s`` for it to be."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._spooling.wait()
        except TimeoutError:
            return False
        return True

    def _enter(self, way: Way) -> None:
        self.way = way
        for event, is_set in (
            (self._settled, way is not Way.HANDOVER),
            (self._spooling, way is not Way.DIRECT),
        ):
            if is_set:
                event.set()
            else:
                event.clear()
