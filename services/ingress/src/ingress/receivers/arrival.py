"""What a webhook of another system becomes: events as a script would publish them, or the reason why not.

Pure.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from ingress.events.cloudevent import Published, WrongFields

MOST = 100
"""Events that one request may become."""
_NAME_MOST = 255
_TEXT_MOST = 1024


class NotUnderstood(ValueError):
    """The body is not what the receiver expects; the message says what is missing."""


def read_json(body: bytes) -> dict[str, Any]:
    """The body as an object. Raises ``NotUnderstood``."""
    try:
        found = from_json(body)
    except ValueError:
        raise NotUnderstood("Send valid JSON.") from None
    if not isinstance(found, dict):
        raise NotUnderstood("Send a JSON object.")
    return found


def event(*, type_: str, data: dict[str, Any], **attributes: str | None) -> Published:
    """One event; text from outside is cut to what an attribute may be. Raises ``WrongFields``."""
    most = {"source": _TEXT_MOST, "subject": _TEXT_MOST, "id": _TEXT_MOST}
    given = {name: line(text, most.get(name, _NAME_MOST)) for name, text in attributes.items()}
    try:
        return Published.model_validate(
            {"type": line(type_, _NAME_MOST) or "event", "data": data}
            | {name: text for name, text in given.items() if text}
        )
    except ValidationError as exc:
        raise WrongFields(
            [dict(error) for error in exc.errors(include_input=False, include_url=False)]
        ) from None


def bounded(events: Iterable[Published]) -> tuple[Published, ...]:
    """The first of them; what is beyond is the sender's to split."""
    found: list[Published] = []
    for one in events:
        if len(found) == MOST:
            raise NotUnderstood(f"Send at most {MOST} at once.")
        found.append(one)
    return tuple(found)


def line(text: str | None, most: int) -> str:
    """One line without control characters, at most ``most`` characters long."""
    kept = "".join(character if character.isprintable() else " " for character in text or "")
    return " ".join(kept.split())[:most]


def text_of(holder: object, name: str) -> str:
    """The member ``name`` of an object as text; empty when there is none."""
    found = holder.get(name) if isinstance(holder, dict) else None
    return found if isinstance(found, str) else ""


def object_of(holder: object, name: str) -> dict[str, Any]:
    """The member ``name`` of an object, when it is an object; else an empty one."""
    found = holder.get(name) if isinstance(holder, dict) else None
    return found if isinstance(found, dict) else {}
