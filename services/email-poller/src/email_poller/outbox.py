"""Publishes what was taken: pending rows in order to Kafka, each marked once acks=all confirms it.

A crash between the two publishes the event again after the restart, with the same deterministic id,
by which everyone downstream recognises it.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from opentelemetry.trace import SpanKind

from email_poller.ignored import Ignored
from email_poller.mailbox_store import MailboxStore, Pending
from posta import topics
from posta.domain.envelope import Event, Wire, encode
from posta.domain.payloads import EmailReceived
from posta.errors import Permanent
from posta.telemetry import names, tracing
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
SOURCE = "/email-poller"
_BATCH = 100


class Publisher(Protocol):
    """What the outbox needs of ``posta.kafka.producer.Producer``."""

    async def publish(self, topic: str, records: Sequence[Wire], *, timeout_s: float) -> None:
        """See ``Producer.publish``."""
        ...


class Outbox:
    """The way from the table to Kafka."""

    def __init__(self, store: MailboxStore, publisher: Publisher, *, timeout_s: float) -> None:
        self._store = store
        self._publisher = publisher
        self._timeout_s = timeout_s

    async def publish_pending(self) -> AsyncIterator[Pending]:
        """Publish everything that is pending, one by one in order, and yield each that is done.

        Raises ``PublishFailed`` when Kafka does not confirm an event, which stays pending with all
        behind it, and ``Unavailable`` when the database is away.
        """
        while batch := await self._store.pending(_BATCH):
            for event in batch:
                await self._publish(event)
                yield event

    async def count(self) -> None:
        """Show how many are pending."""
        names.MAIL_PENDING.set(await self._store.count_pending())

    async def _publish(self, event: Pending) -> None:
        topic = topics.EMAIL_RECEIVED
        carried = {"traceparent": event.traceparent} if event.traceparent else {}
        headers = [(name, value.encode()) for name, value in carried.items()]
        attributes = {
            "messaging.system": "kafka",
            "messaging.operation.type": "send",
            "messaging.destination.name": topic.name,
            "messaging.message.id": event.event_id,
        }
        with tracing.span(
            f"send {topic.name}",
            kind=SpanKind.PRODUCER,
            parent=tracing.context_of(headers),
            attributes=attributes,
        ):
            try:
                wire = encode(_event(event), carried)
                await self._publisher.publish(topic.name, [wire], timeout_s=self._timeout_s)
            except Permanent as exc:
                log.error("mail_event_too_large", event_id=event.event_id, error=str(exc))
                await self._store.refused(event, Ignored.TOO_LARGE_FOR_KAFKA)
                return
            await self._store.published([event])
        log.info("mail_published", event_id=event.event_id, uid=event.uid)


def _event(row: Pending) -> Event[EmailReceived]:
    return Event(
        id=row.event_id,
        source=SOURCE,
        # When it was taken, not now: a second copy of the event is the same bytes.
        time=row.taken_at,
        key=row.key,
        data=EmailReceived.model_validate_json(row.value),
    )
