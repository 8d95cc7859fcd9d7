"""What a script published, in any of four forms: CloudEvents structured, binary or batch, or plain JSON.

CloudEvents 1.0, HTTP protocol binding: §3.1 binary, §3.2 structured, §3.3 batched content mode. An
attribute's name may have no underscore there (§3.1): ``deliver_at`` is ``deliverat``, and so on;
``expires_at`` is the extension ``expirytime``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import ValidationError, from_json

from posta.domain.payloads import Priority

_STRUCTURED = "application/cloudevents+json"
_BATCH = "application/cloudevents-batch+json"
BATCH_MOST = 100
"""Events in one batch."""
_BINARY_MARKS = ("ce-specversion", "ce-type", "ce-id", "ce-source")
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class NotJson(ValueError):
    """The body cannot be parsed."""


class WrongMediaType(ValueError):
    """The content type is none of those that are understood."""


class WrongFields(ValueError):
    """The event breaks its schema; ``errors`` are pydantic's, without the values."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__("the event breaks its schema")
        self.errors = errors


def _is_rfc3339(text: str) -> str:
    try:
        if _RFC3339.fullmatch(text):
            datetime.fromisoformat(text.upper())
            return text
    except ValueError:
        pass
    raise ValueError("must be an RFC 3339 time such as 2026-01-31T12:00:00Z")


Attribute = Annotated[
    str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")
]
"""CloudEvents §2.4: text without control characters."""
Name = Annotated[Attribute, StringConstraints(max_length=255)]
Time = Annotated[Attribute, AfterValidator(_is_rfc3339)]


class Published(BaseModel):
    """An event in the plain form; a misspelt member is refused rather than dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="Event", use_attribute_docstrings=True)
    type: Name
    """What happened, in the publisher's words, such as ``backup.failed``."""
    data: dict[str, Any] = Field(default_factory=dict)
    destination: Name | None = None
    """Id of a destination in ``destinations.yaml``."""
    source: Attribute | None = None
    """What it happened to or in, as a URI reference."""
    subject: Attribute | None = None
    time: Time | None = None
    """When it happened, RFC 3339."""
    id: Attribute | None = None
    """The publisher's own id; the same source and id are the same event."""
    deliver_at: Time | None = None
    """Not to be delivered before, RFC 3339; at most 30 days ahead."""
    expires_at: Time | None = None
    """Not to be delivered after, RFC 3339."""
    priority: Priority = "normal"
    dedupe_key: Name | None = None
    """A repetition within a window is counted on the message that is there, not shown as one more."""
    thread_key: Name | None = None
    """A later event with the same key edits the message of the earlier one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What one request published."""

    events: tuple[Published, ...]
    is_batch: bool = False


class _CloudEvent(Published):
    """A CloudEvent; extension attributes that are not ours are ignored."""

    model_config = ConfigDict(extra="ignore")
    specversion: Literal["1.0"]
    id: Attribute
    source: Attribute
    data_base64: None = None
    """Binary data cannot be shown at any destination."""


_EXTENSIONS = {
    "deliverat": "deliver_at",
    "expirytime": "expires_at",
    "dedupekey": "dedupe_key",
    "threadkey": "thread_key",
}


def parse_events(headers: Mapping[str, str], body: bytes) -> Submission:
    """The events in a request with these (lower-case) headers.

    Raises ``WrongMediaType``, ``NotJson`` or ``WrongFields``.
    """
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == _STRUCTURED:
        return Submission(events=(_cloud_event(_json(body)),))
    if media_type == _BATCH:
        return Submission(events=_batch(_json(body)), is_batch=True)
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise WrongMediaType(
            "Send application/cloudevents+json, application/cloudevents-batch+json, or application/json"
            " with or without ce-* headers."
        )
    if any(mark in headers for mark in _BINARY_MARKS):
        return Submission(events=(_binary(headers, body),))
    event = _validate(Published, _json(body))
    if event.destination is None and "ce-destination" in headers:
        event = _validate(Published, event.model_dump() | {"destination": headers["ce-destination"]})
    return Submission(events=(event,))


def _batch(content: Any) -> tuple[Published, ...]:
    if not isinstance(content, list) or not 0 < len(content) <= BATCH_MOST:
        fault = f"must be an array of 1 to {BATCH_MOST} CloudEvents"
        raise WrongFields([{"loc": (), "msg": fault}])
    events: list[Published] = []
    errors: list[dict[str, Any]] = []
    for number, entry in enumerate(content):
        try:
            events.append(_cloud_event(entry))
        except WrongFields as exc:
            errors.extend(error | {"loc": (number, *error["loc"])} for error in exc.errors)
    if errors:
        raise WrongFields(errors)
    return tuple(events)


def _cloud_event(content: Any) -> Published:
    if isinstance(content, dict):
        content = {_EXTENSIONS.get(name, name): value for name, value in content.items()}
    return _validate(_CloudEvent, content)


def _binary(headers: Mapping[str, str], body: bytes) -> Published:
    attributes: dict[str, Any] = {
        # Values are percent-encoded UTF-8 (§3.1.3.2).
        name.removeprefix("ce-"): unquote(value, errors="replace")
        for name, value in headers.items()
        if name.startswith("ce-")
    }
    attributes.pop("data_base64", None)
    attributes["data"] = _json(body) if body else {}
    try:
        return _cloud_event(attributes)
    except WrongFields as exc:
        raise WrongFields([_located_in_headers(error) for error in exc.errors]) from None


def _located_in_headers(error: dict[str, Any]) -> dict[str, Any]:
    first, *rest = error["loc"]
    return error if first == "data" else error | {"loc": (f"ce-{first}", *rest)}


def _json(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError as exc:
        raise NotJson(f"Send valid JSON: {exc}") from None


def _validate(model: type[Published], content: Any) -> Published:
    try:
        return model.model_validate(content)
    except ValidationError as exc:
        errors = exc.errors(include_input=False, include_url=False, include_context=False)
        raise WrongFields([dict(error) for error in errors]) from None
