"""What becomes of a published event: its id, its destination, its record."""

import re
import uuid
from datetime import datetime

from ingress.cloudevent import Published
from posta.destinations import Destinations
from posta.domain.envelope import Event
from posta.domain.ids import published_event_id
from posta.domain.payloads import EventPublished

SOURCE = "/ingress"
_IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")


class UnknownDestination(ValueError):
    """The event names no destination, or one that is not configured; the message says which are."""


class BadIdempotencyKey(ValueError):
    """The key is empty, too long, or not printable ASCII."""


def compose(
    event: Published,
    *,
    publisher: str,
    idempotency_key: str | None,
    destinations: Destinations,
    now: datetime,
) -> Event[EventPublished]:
    """The event as Posta keeps it. Raises ``UnknownDestination`` or ``BadIdempotencyKey``."""
    destination = event.destination or destinations.default
    if destination is None or destinations.get(destination) is None:
        known = ", ".join(sorted(destinations.destinations))
        raise UnknownDestination(f"must be one of: {known}")
    source = event.source or f"/publishers/{publisher}"
    key = _identity(event, source=source, idempotency_key=idempotency_key)
    event_id = published_event_id(publisher=publisher, key=key)
    return Event(
        id=event_id,
        source=SOURCE,
        time=now,
        key=destination,
        data=EventPublished(
            destination=destination,
            publisher=publisher,
            client_id=event.id or idempotency_key or event_id,
            client_type=event.type,
            client_source=source,
            subject=event.subject,
            occurred_at=event.time or now.isoformat().replace("+00:00", "Z"),
            data=event.data,
        ),
    )


def _identity(event: Published, *, source: str, idempotency_key: str | None) -> str:
    """What makes this event the same one when it is sent again; the word keeps the kinds apart."""
    if idempotency_key is not None:
        if not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
            raise BadIdempotencyKey("must be 1 to 255 printable ASCII characters")
        return f"key\n{idempotency_key}"
    if event.id is not None:
        return f"event\n{source}\n{event.id}"
    return f"fresh\n{uuid.uuid4()}"
