"""Publishes on behalf of records in flight: tries until Kafka confirms, or the record is not ours.

A failed publish never loses anything: the record it belongs to stays undone and keeps its key.
"""

import asyncio
from collections.abc import Iterable

from posta.domain.envelope import Wire, encode
from posta.engine.blockage import Blockages
from posta.engine.message import Publish
from posta.engine.partition import Partition
from posta.kafka.producer import Producer, PublishFailed
from posta.telemetry.tracing import current_trace_headers

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0


class Abandoned(Exception):
    """The partition was lost before the publish was confirmed; its next owner does it again."""


class Outlet:
    """A producer that does not give up while the record is ours."""

    def __init__(self, producer: Producer, *, timeout_s: float) -> None:
        self._producer = producer
        self._timeout_s = timeout_s
        self._blockages = Blockages()

    async def events(self, outgoing: Iterable[Publish], partition: Partition) -> None:
        """Publish what a handler returned, each carrying the current trace context."""
        for publish in outgoing:
            wire = encode(publish.event, current_trace_headers())
            await self.record(publish.topic.name, wire, partition)

    async def record(self, topic: str, wire: Wire, partition: Partition, *, to: int | None = None) -> None:
        """Write one record to ``topic``: to its partition ``to``, or to the one that its key says.

        Raises ``Abandoned`` when the partition closes first, ``TooLarge`` when Kafka will never
        take the record.
        """
        try:
            await self._producer.publish(topic, [wire], timeout_s=self._timeout_s, partition=to)
        except PublishFailed as exc:
            await self._insist(topic, wire, partition, to=to, error=exc)

    async def _insist(
        self, topic: str, wire: Wire, partition: Partition, *, to: int | None, error: PublishFailed
    ) -> None:
        """Try again until Kafka confirms, or the record is not ours."""
        self._blockages.failed(topic, error, is_first=True)
        pause_s, published = _FIRST_PAUSE_S, False
        try:
            while not published:
                if partition.is_closed:
                    raise Abandoned from error
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                try:
                    await self._producer.publish(topic, [wire], timeout_s=self._timeout_s, partition=to)
                    published = True
                except PublishFailed as exc:
                    error = exc
                    self._blockages.failed(topic, error, is_first=False)
        finally:
            self._blockages.ended(topic, published=published)
