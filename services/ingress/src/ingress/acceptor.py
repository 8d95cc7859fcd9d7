"""Makes an event durable before anyone is told that it was accepted: in Kafka, else in the spool."""

from enum import StrEnum
from functools import cache
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from ingress.courier import Courier, Publisher
from ingress.spool import Spool
from ingress.spool_file import Entry
from ingress.switch import Switch, Way
from posta.domain.envelope import Event, encode
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import current_trace_headers, span
from posta.topics import Topic

log = get_logger(__name__)
_HANDOVER_S = 0.3
"""How long an event waits for the spool to run empty before it joins it."""


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
        self._courier = Courier(publisher, budget_s=publish_budget_s, on_failure=self._on_failure)
        self._spool = spool
        self._switch = switch
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
        _counter(kind, kept.value).inc()
        return kept

    async def _accepted(self, kind: str, topic: Topic, event: Event[Any]) -> Kept:
        wire = encode(event, current_trace_headers())
        kept = await self._keep(Entry(event_id=event.id, topic=topic.name, wire=wire))
        log.info("accepted", kind=kind, event_id=event.id, kept=kept.value)
        return kept

    async def _keep(self, entry: Entry) -> Kept:
        way = await self._switch.settled(timeout_s=_HANDOVER_S)
        if way is Way.DIRECT and await self._courier.delivered(entry.topic, entry.wire):
            return Kept.KAFKA
        # A publish that timed out may still be written, and the spool then writes the event a second
        # time. That is meant: consumers recognise it by its id, whereas a lost one is lost.
        await self._spool.put(entry, timeout_s=self._spool_budget_s)
        return Kept.SPOOL

    def _on_failure(self, reason: str) -> None:
        """Kafka did not confirm; later events go to the spool at once."""
        if self._switch.way is not Way.SPOOL:
            log.warning("kafka_away_spooling", reason=reason)
        self._switch.to_spool()


@cache
def _counter(kind: str, kept: str) -> Any:
    return names.INGRESS_ACCEPTED.labels(kind, kept)


def _attributes(topic: Topic, event: Event[Any]) -> dict[str, str]:
    return {
        "messaging.system": "kafka",
        "messaging.operation.type": "send",
        "messaging.destination.name": topic.name,
        "messaging.message.id": event.id,
    }
