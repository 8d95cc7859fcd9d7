"""Publishes on behalf of records in flight: tries until Kafka confirms, or the record is not ours.

A failed publish never loses anything: the record it belongs to stays undone and keeps its key.
"""

import asyncio
from collections.abc import Iterable

from posta.domain.envelope import Wire, encode
from posta.engine.message import Publish
from posta.engine.partition import Partition
from posta.kafka.producer import Producer, PublishFailed
from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import current_trace_headers

log = get_logger(__name__)
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0


class Abandoned(Exception):
    """The partition was lost before the publish was confirmed; its next owner does it again."""


class Outlet:
    """A producer that does not give up while the record is ours."""

    def __init__(self, producer: Producer, *, timeout_s: float) -> None:
        self._producer = producer
        self._timeout_s = timeout_s

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
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._producer.publish(topic, [wire], timeout_s=self._timeout_s, partition=to)
            except PublishFailed as exc:
                if partition.is_closed:
                    raise Abandoned from exc
                log.error("publish_failed_will_retry", topic=topic, error=str(exc), pause_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            else:
                return
