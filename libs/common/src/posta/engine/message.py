"""What a handler is given, and what it hands back: the whole surface a service author meets."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from posta.domain.envelope import Event, Headers, decode
from posta.domain.failure import Delivery
from posta.domain.payloads import Payload
from posta.domain.retry import ErrorClass
from posta.topics import Topic

D_co = TypeVar("D_co", bound=Payload, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Generic[D_co]):
    """One decoded event and how it got here."""

    event: Event[D_co]
    delivery: Delivery
    deadline: float | None
    """Seconds since the epoch after which handling it makes no sense; None: no limit."""
    last_attempt: bool
    """Whether a transient failure now would make it a dead letter."""

    @property
    def attempt(self) -> int:
        """Which attempt this is; 1 for the first."""
        return self.delivery.attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """An event to be published to ``topic`` before the handled record counts as done."""

    topic: Topic
    event: Event[Payload]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """Why a record is about to become a dead letter."""

    error_class: ErrorClass
    reason: str
    error: BaseException


@dataclass(slots=True)
class RawRecord:
    """A record as Kafka holds it, for a handler that must also take what cannot be decoded.

    Not to be changed; it is not frozen because making a frozen one takes three times as long, and
    one is made for each record.
    """

    topic: str
    """Without the deployment's prefix."""
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


Subject = Message[Any] | RawRecord
Interpret = Callable[[RawRecord, Delivery, bool], Subject]
"""Makes of a record what the handler is given; the flag says whether this is the last attempt."""


def as_message(record: RawRecord, delivery: Delivery, last_attempt: bool) -> Message[Any]:  # noqa: FBT001 - the form of Interpret
    """Decode the record's event. Raises ``Malformed`` when it is none."""
    event = decode(key=record.key, value=record.value, headers=record.headers)
    deadline = event.expires_at.timestamp() if event.expires_at else None
    return Message(event=event, delivery=delivery, deadline=deadline, last_attempt=last_attempt)


def as_raw(record: RawRecord, _delivery: Delivery, _last_attempt: bool) -> RawRecord:  # noqa: FBT001 - the form of Interpret
    """Give the record itself to the handler."""
    return record


Handler = Callable[[Any], Awaitable[Iterable[Publish] | None]]
"""One ``Message`` (or ``RawRecord``) in, what is to be published out.

Returns normally: done, once what it returned is confirmed by Kafka. Raises ``Transient``,
``NotNow``, ``Permanent``, ``Expired`` or ``Unavailable`` (see ``posta.errors``); anything else
counts as unexpected and is retried like ``Transient``. It is cancelled at the handler timeout, and
when its partition goes to another member. It may run again for the same event: make effects
idempotent by ``event.id``.
"""

OnGivenUp = Callable[[Message[Any], GivenUp], Awaitable[Iterable[Publish]]]
"""Asked for what to publish (an apology) just before a record becomes a dead letter."""
