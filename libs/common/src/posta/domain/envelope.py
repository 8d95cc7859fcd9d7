"""An event, and its form on the wire: a CloudEvents 1.0 event in Kafka's binary content mode.

The attributes travel as ``ce_*`` headers and the data as the JSON value (CloudEvents Kafka
protocol binding §3.2). ``expirytime`` is the CloudEvents extension of that name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from posta.domain.payloads import PAYLOADS, Payload
from posta.errors import Malformed

SPEC_VERSION = "1.0"
CONTENT_TYPE = "application/json"
_REQUIRED = ("ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time")

Headers = tuple[tuple[str, bytes], ...]
"""Record headers in order; a name may repeat, and then the last one counts (as Kafka's lastHeader)."""

D_co = TypeVar("D_co", bound=Payload, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Generic[D_co]):
    """Something that happened, with what identifies it."""

    id: str
    source: str
    """Which part of Posta made it, as a URI reference such as ``/ingress``."""
    time: datetime
    key: str
    """The Kafka key: what must be kept in order together."""
    data: D_co
    expires_at: datetime | None = None
    """When handling it stops making sense."""

    @property
    def type(self) -> str:
        """The CloudEvents type, which is the payload's own."""
        return self.data.TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A record to be written, without its topic."""

    key: bytes | None
    value: bytes | None
    headers: Headers


def header(headers: Iterable[tuple[str, bytes]], name: str) -> str | None:
    """The last value of the header ``name`` as text, or None; undecodable bytes become U+FFFD."""
    found = None
    for key, value in headers:
        if key == name:
            found = value
    return None if found is None else found.decode("utf-8", "replace")


def encode(event: Event[Payload], extra: Mapping[str, str] | None = None) -> Wire:
    """The event as a record; ``extra`` headers (a trace context) are added behind its own."""
    headers = [
        ("ce_specversion", SPEC_VERSION),
        ("ce_id", event.id),
        ("ce_type", event.type),
        ("ce_source", event.source),
        ("ce_time", _format_time(event.time)),
        ("content-type", CONTENT_TYPE),
    ]
    if event.expires_at is not None:
        headers.append(("ce_expirytime", _format_time(event.expires_at)))
    headers.extend((extra or {}).items())
    return Wire(
        key=event.key.encode(),
        value=event.data.model_dump_json().encode(),
        headers=tuple((name, text.encode()) for name, text in headers),
    )


def decode(*, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> Event[Any]:
    """Read a record back into its event.

    Raises ``Malformed`` with the reason when an attribute is missing or wrong, the type is unknown,
    or the value does not fit the type's model. The message never quotes the value.
    """
    attributes = {name: text.decode("utf-8", "replace") for name, text in headers}
    _check_attributes(attributes)
    model = PAYLOADS.get(attributes["ce_type"])
    if model is None:
        raise Malformed(f"unknown event type {attributes['ce_type']!r:.100}")
    return Event(
        id=attributes["ce_id"],
        source=attributes["ce_source"],
        time=_parse_time("ce_time", attributes["ce_time"]),
        key=(key or b"").decode("utf-8", "replace"),
        data=_read(model, value),
        expires_at=(
            _parse_time("ce_expirytime", attributes["ce_expirytime"])
            if "ce_expirytime" in attributes
            else None
        ),
    )


def _check_attributes(attributes: Mapping[str, str]) -> None:
    missing = [name for name in _REQUIRED if not attributes.get(name)]
    if missing:
        raise Malformed(f"not a CloudEvent: header {', '.join(missing)} is missing or empty")
    if attributes["ce_specversion"] != SPEC_VERSION:
        raise Malformed(f"CloudEvents version {attributes['ce_specversion']!r:.20} is not 1.0")


def _read(model: type[Payload], value: bytes | None) -> Payload:
    if value is None:
        raise Malformed(f"the value of {model.TYPE} is null")
    try:
        return model.model_validate_json(value)
    except ValidationError as exc:
        faults = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'value'}: {error['type']}"
            for error in exc.errors(include_input=False, include_url=False)[:5]
        )
        raise Malformed(f"the value is no {model.TYPE}: {faults}") from None


def _format_time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _parse_time(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed(f"{name} {text!r:.40} is not an RFC 3339 time") from None
    if moment.tzinfo is None:
        raise Malformed(f"{name} {text!r:.40} has no time zone")
    return moment
