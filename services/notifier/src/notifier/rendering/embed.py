"""Renders a published event as a Discord embed, within all of Discord's limits.

Pure. The title is the data's own or the event's type in words, the description its message, the
fields whatever else in the data is a scalar. Everything came from a script somewhere: it is
disarmed first, and mentions nobody.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from notifier.rendering.clip import clip
from notifier.rendering.fit import (
    DESCRIPTION_LIMIT,
    FIELD_NAME_LIMIT,
    FIELD_VALUE_LIMIT,
    FIELDS_LIMIT,
    TITLE_LIMIT,
    TOTAL_LIMIT,
)
from notifier.rendering.neutral import disarmed, one_line
from posta.domain.payloads import EventPublished

_FOOTER_SHARE = 300
_INLINE_VALUE = 40
"""Short values share a line."""

_TITLE_NAMES = ("title",)
_DESCRIPTION_NAMES = ("message", "description", "text")
_SEVERITY_NAMES = ("severity", "level", "status")

RED, AMBER, GREEN, BLUE, GREY = 0xD83C3E, 0xE0A100, 0x2D9D5B, 0x3A7BD5, 0x8A8F98
_COLOURS = {
    RED: ("critical", "fatal", "error", "emergency", "alert", "failed", "failure", "down", "firing", "high"),
    AMBER: ("warning", "warn", "degraded", "medium", "pending", "late"),
    GREEN: ("ok", "success", "succeeded", "completed", "finished", "resolved", "recovered", "up", "healthy"),
    BLUE: ("info", "notice", "debug", "started", "low"),
}
COLOURS_BY_NAME = {"red": RED, "amber": AMBER, "green": GREEN, "blue": BLUE, "grey": GREY}
_COLOUR_OF = {word: colour for colour, words in _COLOURS.items() for word in words}


def webhook_body(event: EventPublished) -> dict[str, Any]:
    """The JSON body that posts ``event`` through a webhook."""
    return {"embeds": [embed(event)], "allowed_mentions": {"parse": []}}


def embed(event: EventPublished) -> dict[str, Any]:
    """The event as one embed."""
    title_name, title = _first_text(event.data, _TITLE_NAMES)
    text_name, text = _first_text(event.data, _DESCRIPTION_NAMES)
    footer = clip(one_line(f"{event.client_source} · {event.publisher}"), _FOOTER_SHARE)
    title = clip(one_line(title) or humanised(event.client_type), TITLE_LIMIT)
    description = clip(disarmed(text).strip(), DESCRIPTION_LIMIT)
    rest = {name: value for name, value in event.data.items() if name not in (title_name, text_name)}
    if event.subject:
        rest = {"subject": event.subject} | rest
    left = TOTAL_LIMIT - len(title) - len(description) - len(footer)
    drawn: dict[str, Any] = {
        "title": title,
        "color": colour(event),
        "fields": _fields(rest, left),
        "footer": {"text": footer},
    }
    if description:
        drawn["description"] = description
    if (moment := timestamp(event.occurred_at)) is not None:
        drawn["timestamp"] = moment
    return drawn


def humanised(client_type: str) -> str:
    """A type in words: ``backup.job_failed`` is ``Backup job failed``."""
    words = one_line(client_type.replace(".", " ").replace("_", " ").replace("-", " ").replace("/", " "))
    return words[:1].upper() + words[1:] if words else "Event"


def colour(event: EventPublished) -> int:
    """By the severity the data names, else by the last word of the type that says something."""
    for name in _SEVERITY_NAMES:
        found = _COLOUR_OF.get(str(event.data.get(name, "")).strip().lower())
        if found is not None:
            return found
    for word in reversed(humanised(event.client_type).lower().split()):
        if word in _COLOUR_OF:
            return _COLOUR_OF[word]
    return GREY


def _first_text(data: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str | None, str]:
    for name in names:
        value = data.get(name)
        if isinstance(value, str) and one_line(value):
            return name, value
    return None, ""


def _fields(data: Mapping[str, Any], left: int) -> list[dict[str, Any]]:
    """As many fields as fit into ``left`` code points; the last one says how many did not."""
    shown: list[dict[str, Any]] = []
    all_fields = list(_all_fields(data))
    hidden = sum(1 for value in data.values() if value is not None) - len(all_fields)
    note_size = 40
    for number, field in enumerate(all_fields):
        size = len(field["name"]) + len(field["value"])
        is_last = number == len(all_fields) - 1 and not hidden
        if size > left - (0 if is_last else note_size) or len(shown) == FIELDS_LIMIT - (0 if is_last else 1):
            hidden += len(all_fields) - number
            break
        left -= size
        shown.append(field)
    if hidden > 0 and left >= note_size:
        shown.append({"name": "…", "value": f"{hidden} more not shown", "inline": False})
    return shown


def _all_fields(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in data.items():
        text = _scalar(value)
        if text is None:
            continue
        text = clip(disarmed(text).strip(), FIELD_VALUE_LIMIT) or "—"
        label = clip(one_line(name.replace("_", " ")), FIELD_NAME_LIMIT) or "—"
        yield {"name": label, "value": text, "inline": len(text) <= _INLINE_VALUE}


def _scalar(value: object) -> str | None:
    match value:
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case int() | float():
            return str(value) if not isinstance(value, float) or math.isfinite(value) else None
        case list() if value and all(isinstance(item, str | int | float) for item in value):
            return ", ".join(str(item) for item in value)
        case _:
            return None


def timestamp(text: str) -> str | None:
    """A time as Discord takes it; None when it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC).isoformat()
    except OverflowError:
        return None
