"""Makes a CloudEvent out of whatever a program hands over; nothing is so odd that it cannot be sent.

Pure but for the id and the time it fills in.
"""

import json
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Priority = Literal["low", "normal", "high"]
_DEEPEST = 40
_TEXT_MOST = 255
_REFERENCE_MOST = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be said about an event beside its type and data."""

    destination: str | None = None
    """Where it is to be shown; without it the key's own, or the default one."""
    source: str | None = None
    """What it happened to or in; without it the one of the publisher."""
    subject: str | None = None
    id: str | None = None
    """Without it a new one; the same source and id are the same event."""
    time: datetime | None = None
    """When it happened; without it now."""
    deliver_at: datetime | None = None
    """Not to be shown before."""
    expires_at: datetime | None = None
    """Not to be shown after."""
    priority: Priority | None = None
    dedupe_key: str | None = None
    """A repetition is counted on the message that is there."""
    thread_key: str | None = None
    """A later event with the same key edits the message of the earlier one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event, ready to be sent or kept."""

    id: str
    body: bytes
    """The CloudEvent as JSON, in structured mode."""


def make_event(type_: str, data: object, options: Options, *, source: str) -> Event:
    """The event; ``source`` is used where ``options`` names none."""
    now = datetime.now(UTC)
    event_id = _line(options.id, _REFERENCE_MOST) or str(uuid.uuid4())
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id,
        "type": _line(type_, _TEXT_MOST) or "event",
        "source": _line(options.source, _REFERENCE_MOST) or _line(source, _REFERENCE_MOST) or "/unknown",
        "time": _moment(options.time or now),
        "data": _object(data),
        "destination": _line(options.destination, _TEXT_MOST),
        "subject": _line(options.subject, _REFERENCE_MOST),
        "deliverat": _moment(options.deliver_at),
        "expirytime": _moment(options.expires_at),
        "priority": options.priority,
        "dedupekey": _line(options.dedupe_key, _TEXT_MOST),
        "threadkey": _line(options.thread_key, _TEXT_MOST),
    }
    given = {name: value for name, value in attributes.items() if value is not None}
    return Event(id=event_id, body=json.dumps(given, ensure_ascii=False, allow_nan=False).encode())


def batch_body(events: list[Event]) -> bytes:
    """The events as one CloudEvents batch."""
    return b"[" + b",".join(event.body for event in events) + b"]"


def _object(data: object) -> dict[str, Any]:
    if data is None:
        return {}
    if isinstance(data, Mapping):
        return {_text(str(name)): _clean(value, 1) for name, value in data.items()}
    return {"message": _clean(data, 1)}


def _clean(value: object, depth: int) -> Any:
    """``value`` as something JSON has; whatever it has not becomes its text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return _text(value)
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {_text(str(name)): _clean(inner, depth + 1) for name, inner in value.items()}
    if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_clean(inner, depth + 1) for inner in value]
    return _text(str(value))


def _text(text: str) -> str:
    """``text`` without halves of characters, which UTF-8 cannot carry."""
    return text.encode("utf-8", "replace").decode()


def _line(text: str | None, most: int) -> str | None:
    """An attribute: one line, without control characters, of bounded length."""
    if text is None:
        return None
    kept = "".join(c if c.isprintable() else " " for c in _text(str(text)))
    return kept.strip()[:most] or None


def _moment(at: datetime | None) -> str | None:
    """RFC 3339; a time without a zone is taken for this machine's."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
