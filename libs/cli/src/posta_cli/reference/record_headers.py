"""The headers of records: names and examples from the code that writes them, meanings from here."""

from dataclasses import dataclass
from datetime import UTC, datetime

from posta.domain.envelope import Event, encode
from posta.domain.failure import Delivery, Origin, delivery_headers, error_headers
from posta.domain.payloads import EventPublished
from posta.domain.retry import ErrorClass
from posta.errors import Transient

_MOMENT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
_MS = int(_MOMENT.timestamp() * 1000)

_MEANINGS = {
    "ce_specversion": "Version of CloudEvents.",
    "ce_id": "The event's id; the same cause always makes the same one.",
    "ce_type": "Type and version of the value; see [events](events.md).",
    "ce_source": "Which part of Posta made the event.",
    "ce_time": "When it happened.",
    "ce_expirytime": "When handling it stops making sense; absent: never.",
    "content-type": "Form of the value.",
    "traceparent": "W3C trace context of the step that wrote the record.",
    "tracestate": "W3C vendor data, when there is any.",
    "posta-original-topic": "Topic the group first read it from.",
    "posta-original-partition": "Partition of that topic.",
    "posta-original-offset": "Offset in that partition.",
    "posta-original-timestamp": "Kafka's timestamp there, milliseconds since the epoch.",
    "posta-attempt": "Which attempt the next handling is, or the last one was; 1 is the first.",
    "posta-first-failure": "When it first failed, milliseconds since the epoch.",
    "posta-last-failure": "When it last failed, milliseconds since the epoch.",
    "posta-not-before": "Not handled before this moment, milliseconds since the epoch; 0: at once.",
    "posta-lane-due": "When it gets off its retry lane, milliseconds since the epoch; 0: it rides none.",
    "posta-redrive": "How often an admin has replayed it; absent: never.",
    "posta-previous-span": "Trace context of the handling before this one, to link to; absent: not recorded.",
    "posta-holds-key": "The records of its key wait until it is replayed, discarded or released; absent: no.",
    "posta-group": "Group that gave it up.",
    "posta-error-class": "Why; see [errors](errors.md).",
    "posta-reason": "What a person should know, without secrets.",
    "posta-exception-type": "Class of the exception.",
    "posta-exception-message": "Its message, without secrets, cut to a bounded length.",
    "posta-exception-stack": "Its innermost frames: file, line, function.",
    "posta-fingerprint": "What equal failures share.",
    "posta-service-version": "Version of the service that gave it up.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordHeader:
    """One header, all of them text in UTF-8."""

    name: str
    meaning: str
    example: str


def of_events() -> tuple[RecordHeader, ...]:
    """Return the headers of every event, in the order they are written."""
    written = encode(
        Event(
            id="event:7f3a91c2",
            source="/ingress",
            time=_MOMENT,
            key="ops",
            data=EventPublished(
                destination="ops",
                publisher="backup",
                client_id="1",
                client_type="backup.failed",
                client_source="/nas",
                occurred_at="2026-01-31T12:00:00Z",
            ),
            expires_at=_MOMENT.replace(hour=13),
        ),
        {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": ""},
    ).headers
    return tuple(_described(name, text.decode()) for name, text in written)


def of_deliveries() -> tuple[RecordHeader, ...]:
    """Return the headers a failed record gets in a retry lane, and in the dead-letter topic."""
    delivery = Delivery(
        origin=Origin(topic="events.published", partition=2, offset=4711, timestamp_ms=_MS),
        attempt=3,
        first_failure_ms=_MS + 200,
        last_failure_ms=_MS + 9_400,
        not_before=(_MS + 40_000) / 1000,
        lane_due=(_MS + 39_400) / 1000,
        redrive=1,
        previous_span="00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
    )
    return tuple(_described(name, text) for name, text in delivery_headers(delivery).items())


def of_dead_letters() -> tuple[RecordHeader, ...]:
    """Return the headers that only a dead letter has."""
    written = error_headers(
        Transient("Discord answered 503"),
        error_class=ErrorClass.TRANSIENT,
        reason="attempt 6 of 6 failed: Discord answered 503",
        group="notifier",
        version="1.2.3",
        holds_key=True,
    )
    never_raised = {"posta-exception-stack": "notifier/discord.py:120 edit"}
    return tuple(_described(name, text) for name, text in (written | never_raised).items())


def _described(name: str, example: str) -> RecordHeader:
    return RecordHeader(name=name, meaning=_MEANINGS[name], example=example)
