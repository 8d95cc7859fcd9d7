"""PURE: one line of a service's JSON log, as a person reads it."""

import json

_LEADING = ("timestamp", "level", "event")
_NOISE = frozenset({*_LEADING, "logger", "service", "version", "span_id"})


def for_people(line: str) -> str:
    """Return `time level event field=value …`; a line that is no JSON object is returned as it is."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict) or "event" not in entry:
        return line
    time = str(entry.get("timestamp", ""))[11:23]
    level = str(entry.get("level", "info"))
    fields = [f"{name}={_short(value)}" for name, value in entry.items() if name not in _NOISE]
    return " ".join(part for part in (time, f"{level:<7}", str(entry["event"]), *fields) if part)


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
