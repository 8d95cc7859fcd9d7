"""What a command line says: ``key=text``, ``key:=JSON``, and ``a.b=c`` for what is inside an object. Pure."""

import json
from typing import Any


class WrongWord(ValueError):
    """A word that is neither; the message says what to write."""


def data_of(words: list[str]) -> dict[str, Any]:
    """The event's data. Raises ``WrongWord``."""
    data: dict[str, Any] = {}
    for word in words:
        name, value = _pair(word)
        *path, last = name.split(".")
        place = data
        for step in path:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise WrongWord(f"{word!r:.80}: {step!r:.40} has a value already")
        place[last] = value
    return data


def _pair(word: str) -> tuple[str, Any]:
    name, equals, text = word.partition("=")
    if not equals or not name.strip(":"):
        raise WrongWord(f"{word!r:.80} is no key=value (or key:=JSON)")
    if not name.endswith(":"):
        return name, text
    try:
        return name[:-1], json.loads(text)
    except ValueError:
        raise WrongWord(f"{word!r:.80}: what follows ':=' is no JSON") from None
