"""What becomes of a published event: its id, its destination, its times, its record."""

import re
import uuid
from datetime import datetime, timedelta

from ingress.events.addresses import Addresses
from ingress.events.cloudevent import Published
from posta.auth import Principal
from posta.domain.envelope import Event
from posta.domain.ids import published_event_id
from posta.domain.payloads import EventPublished

SOURCE = "/ingress"
DELIVER_WITHIN = timedelta(days=30)
"""The furthest ``deliver_at``."""
_IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")


class UnknownDestination(ValueError):
    """The event names no destination, or one that is not configured; the message says which are."""


class NotPermitted(ValueError):
    """The key may not speak for that source, or not reach that destination."""


class WrongTime(ValueError):
    """A time that makes no sense; ``field`` is the member it stands in."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class BadIdempotencyKey(ValueError):
    """The key is empty, too long, or not printable ASCII."""


def compose(
    event: Published,
    *,
    publisher: Principal,
    idempotency_key: str | None,
    addresses: Addresses,
    now: datetime,
    number: int | None = None,
) -> Event[EventPublished]:
    """The event as Posta keeps it; ``number`` is its place in a batch, whose events share a key.

    Raises ``UnknownDestination``, ``NotPermitted``, ``WrongTime`` or ``BadIdempotencyKey``.
    """
    source = event.source or f"/publishers/{publisher.name}"
    if event.source is not None and not publisher.may_speak_for(source):
        raise NotPermitted(f"This key may speak for: {', '.join(publisher.sources)}.")
    destination = _destination(event, publisher, addresses)
    key = _identity(event, source=source, idempotency_key=idempotency_key, number=number)
    event_id = published_event_id(publisher=publisher.name, key=key)
    deliver_at, expires_at = _times(event, now)
    return Event(
        id=event_id,
        source=SOURCE,
        time=now,
        key=destination,
        expires_at=expires_at,
        data=EventPublished(
            destination=destination,
            publisher=publisher.name,
            client_id=event.id or idempotency_key or event_id,
            client_type=event.type,
            client_source=source,
            subject=event.subject,
            occurred_at=event.time or now.isoformat().replace("+00:00", "Z"),
            data=event.data,
            deliver_at=deliver_at,
            priority=event.priority,
            dedupe_key=event.dedupe_key,
            thread_key=event.thread_key,
        ),
    )


def asked_for(event: Published, publisher: Principal) -> str | None:
    """The destination that is named, else the only one its key may reach, be it known or not."""
    return event.destination or (publisher.destinations[0] if len(publisher.destinations) == 1 else None)


def check_key(idempotency_key: str | None) -> None:
    """Raise ``BadIdempotencyKey`` for a key that is none."""
    if idempotency_key is not None and not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
        raise BadIdempotencyKey("must be 1 to 255 printable ASCII characters")


def _destination(event: Published, publisher: Principal, addresses: Addresses) -> str:
    """The one that is asked for; the default when there is none, or the key's is not known."""
    wanted = asked_for(event, publisher)
    if event.destination is None and wanted not in addresses.names:
        wanted = addresses.default
    if wanted is None or wanted not in addresses.names:
        known = ", ".join(sorted(name for name in addresses.names if publisher.may_reach(name)))
        raise UnknownDestination(f"must be one of: {known}")
    if not publisher.may_reach(wanted):
        raise NotPermitted(f"This key may reach: {', '.join(publisher.destinations)}.")
    return wanted


def _times(event: Published, now: datetime) -> tuple[datetime | None, datetime | None]:
    deliver_at, expires_at = _moment(event.deliver_at), _moment(event.expires_at)
    if deliver_at is not None and deliver_at > now + DELIVER_WITHIN:
        raise WrongTime("deliver_at", f"must be at most {DELIVER_WITHIN.days} days ahead")
    if expires_at is not None and expires_at <= now:
        raise WrongTime("expires_at", "must not be over already")
    if deliver_at is not None and expires_at is not None and expires_at <= deliver_at:
        raise WrongTime("expires_at", "must be after deliver_at")
    return (None if deliver_at is not None and deliver_at <= now else deliver_at), expires_at


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text.upper())


def _identity(event: Published, *, source: str, idempotency_key: str | None, number: int | None) -> str:
    """What makes this event the same one when it is sent again; the word keeps the kinds apart."""
    if idempotency_key is not None:
        check_key(idempotency_key)
        return f"key\n{idempotency_key}" + ("" if number is None else f"\n{number}")
    if event.id is not None:
        return f"event\n{source}\n{event.id}"
    return f"fresh\n{uuid.uuid4()}"
