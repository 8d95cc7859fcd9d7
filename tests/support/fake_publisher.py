"""A publisher in memory, as ``posta.kafka.producer.Producer`` behaves: up, away, silent or slow."""

import asyncio
from collections.abc import Sequence

from posta.domain.envelope import Wire, header
from posta.kafka.producer import PublishFailed, TooLarge


class FakePublisher:
    """Keeps what it was given, by topic, in order."""

    def __init__(self) -> None:
        self.written: list[tuple[str, Wire]] = []
        self.attempts = 0
        self.away = False
        """Refuses at once."""
        self.silent = False
        """Does not answer, and does not even notice being cancelled for a while."""
        self.loses_answer = False
        """Writes, and then does not say so."""
        self.delay_s = 0.0
        self.too_large: set[str] = set()
        """Ids of events it will never take."""

    @property
    def ids(self) -> list[str]:
        """Ids of the events written, in order."""
        return [header(wire.headers, "ce_id") or "" for _, wire in self.written]

    async def publish(self, topic: str, records: Sequence[Wire], *, timeout_s: float) -> None:
        self.attempts += 1
        if self.silent:
            await self._hang(timeout_s)
        if self.away:
            raise PublishFailed("away")
        if any(header(wire.headers, "ce_id") in self.too_large for wire in records):
            raise TooLarge("too large")
        await asyncio.sleep(self.delay_s)
        self.written.extend((topic, wire) for wire in records)
        if self.loses_answer:
            raise PublishFailed("no answer")

    async def ready(self, *, timeout_s: float) -> bool:
        return not (self.away or self.silent)

    async def _hang(self, timeout_s: float) -> None:
        try:
            await asyncio.sleep(timeout_s)
        except asyncio.CancelledError:
            await asyncio.sleep(5)  # as a client does that replaces its connection
            raise
        raise PublishFailed("no answer")
