"""Makes an event durable before anyone is told that it was accepted: in Kafka, else in the spool."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Protocol

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from ingress.spool import Spool
from ingress.spool_file import Entry
from ingress.switch import Switch, Way
from posta.domain.envelope import Event, Wire, encode
from posta.errors import Transient
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import current_trace_headers, span
from posta.topics import Topic

log = get_logger(__name__)
_HANDOVER_S = 0.3
"""How long an event waits for the spool to run empty before it joins it."""
_CANCEL_S = 0.1
"""How long a publish may take to notice that its time is over."""


class Publisher(Protocol):
    """What publishes records; ``posta.kafka.producer.Producer`` or a fake in tests."""

    async def publish(self, topic: str, records: Sequence[Wire], *, timeout_s: float) -> None:
        """Write all, in order, confirmed by acks=all; raise ``Transient`` or ``Permanent`` otherwise."""

    async def ready(self, *, timeout_s: float) -> bool:
        """Whether Kafka answers now."""


class Kept(StrEnum):
    """Where an accepted event is safe."""

    KAFKA = "kafka"
    SPOOL = "spool"


class Acceptor:
    """Accepts events for many requests at once."""

    def __init__(
        self,
        publisher: Publisher,
        spool: Spool,
        switch: Switch,
        *,
        publish_budget_s: float,
        spool_budget_s: float,
    ) -> None:
        self._publisher = publisher
        self._spool = spool
        self._switch = switch
        self._publish_budget_s = publish_budget_s
        self._spool_budget_s = spool_budget_s

    async def accept(self, kind: str, topic: Topic, event: Event[Any]) -> Kept:
        """Return once ``event`` survives a crash; ``kind`` names the request in the metrics.

        Takes at most 0.4 s more than both budgets together. Raises ``SpoolFull`` or ``SpoolUnusable``
        when neither Kafka nor the spool took it, ``TooLarge`` when Kafka never will.
        """
        if not trace.get_current_span().is_recording():
            # A span that nobody will read; the context that the record carries is the request's own.
            kept = await self._accepted(kind, topic, event)
        else:
            with span(
                f"send {topic.name}", kind=SpanKind.PRODUCER, attributes=_attributes(topic, event)
            ) as now:
                kept = await self._accepted(kind, topic, event)
                now.set_attribute("posta.kept", kept.value)
        names.INGRESS_ACCEPTED.labels(kind, kept.value).inc()
        return kept

    async def _accepted(self, kind: str, topic: Topic, event: Event[Any]) -> Kept:
        wire = encode(event, current_trace_headers())
        kept = await self._keep(Entry(event_id=event.id, topic=topic.name, wire=wire))
        log.info("accepted", kind=kind, event_id=event.id, kept=kept.value)
        return kept

    async def _keep(self, entry: Entry) -> Kept:
        way = await self._switch.settled(timeout_s=_HANDOVER_S)
        if way is Way.DIRECT and await self._published(entry):
            return Kept.KAFKA
        # A publish that timed out may still be written, and the spool then writes the event a second
        # time. That is meant: consumers recognise it by its id, whereas a lost one is lost.
        await self._spool.put(entry, timeout_s=self._spool_budget_s)
        return Kept.SPOOL

    async def _published(self, entry: Entry) -> bool:
        """Whether Kafka confirmed the record within the budget; if not, later ones go to the spool."""
        publishing = asyncio.ensure_future(
            self._publisher.publish(entry.topic, [entry.wire], timeout_s=self._publish_budget_s)
        )
        # The client may take seconds to give up (replacing a dead connection); the person has three.
        done, _ = await asyncio.wait({publishing}, timeout=self._publish_budget_s + _CANCEL_S)
        if not done:
            publishing.cancel()
            reason = "no answer"
        else:
            try:
                publishing.result()
            except Transient as exc:
                reason = str(exc)
            else:
                return True
        if self._switch.way is not Way.SPOOL:
            log.warning("kafka_away_spooling", reason=reason)
        self._switch.to_spool()
        return False


def _attributes(topic: Topic, event: Event[Any]) -> dict[str, str]:
    return {
        "messaging.system": "kafka",
        "messaging.operation.type": "send",
        "messaging.destination.name": topic.name,
        "messaging.message.id": event.id,
    }
