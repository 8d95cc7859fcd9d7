"""Text made of a JSON body: ``{a.b.0}`` is what stands there, ``{a.b|text}`` has a default.

Pure. A template cannot compute, call or loop: what comes from outside is only ever looked up.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

_PLACE = re.compile(r"\{([^{}]*)\}")
_STEP = re.compile(r"[^.{}|\x00-\x1f]+")
_VALUE_MOST = 4000
Path = tuple[str, ...]


class BadTemplate(ValueError):
    """The template makes no sense; the message says where."""


class Missing(LookupError):
    """The body has nothing at a path that has no default; ``path`` names it."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the body has no {path!r:.80}")
        self.path = path


@dataclass(frozen=True, slots=True)
class _Place:
    path: Path
    default: str | None


class Template:
    """One template, checked when it is made. Raises ``BadTemplate``."""

    def __init__(self, text: str) -> None:
        self._parts: list[str | _Place] = []
        end = 0
        for found in _PLACE.finditer(text):
            self._add_text(text[end : found.start()])
            path, bar, default = found[1].partition("|")
            self._parts.append(_Place(parse_path(path), default if bar else None))
            end = found.end()
        self._add_text(text[end:])

    def fill(self, body: object) -> str:
        """The text for this body. Raises ``Missing``."""
        return "".join(part if isinstance(part, str) else _value(body, part) for part in self._parts)

    def _add_text(self, text: str) -> None:
        if "{" in text or "}" in text:
            raise BadTemplate(f"{text!r:.80}: a brace without its other half")
        if text:
            self._parts.append(text)


def parse_path(text: str) -> Path:
    """``a.b.0`` as its steps. Raises ``BadTemplate``."""
    steps = tuple(text.strip().split("."))
    if not all(_STEP.fullmatch(step) for step in steps):
        raise BadTemplate(f"{text!r:.80} is no path such as monitor.status")
    return steps


def look_up(body: object, path: Path) -> Any:
    """What stands at ``path``; None when nothing does."""
    found: Any = body
    for step in path:
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found


def as_text(value: object) -> str:
    """A value of JSON as people read it, bounded."""
    if isinstance(value, str):
        return value[:_VALUE_MOST]
    return json.dumps(value, ensure_ascii=False)[:_VALUE_MOST]


def _value(body: object, place: _Place) -> str:
    found = look_up(body, place.path)
    if found is None or found == "":
        if place.default is None:
            raise Missing(".".join(place.path))
        return place.default
    return as_text(found)
