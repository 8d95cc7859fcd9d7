"""Record headers as the database keeps them: JSON that loses no byte and that PostgreSQL always takes.

Form: ``[[name, base64 of the value], …]`` in order. jsonb refuses U+0000, so a name that has one is
stored with it shown as U+FFFD, and a third element holds the base64 of the name itself.
"""

import base64
import json

from posta.domain.envelope import Headers

NUL = "\x00"


def dump_headers(headers: Headers) -> str:
    """The JSON text to store."""
    return json.dumps([_entry(name, value) for name, value in headers])


def load_headers(text: str) -> Headers:
    """The headers that ``dump_headers`` stored, byte for byte."""
    return tuple(_header(entry) for entry in json.loads(text))


def _entry(name: str, value: bytes) -> list[str]:
    entry = [name.replace(NUL, "\ufffd"), base64.b64encode(value).decode()]
    if NUL in name:
        entry.append(base64.b64encode(name.encode()).decode())
    return entry


def _header(entry: list[str]) -> tuple[str, bytes]:
    name, value, *exact_name = entry
    if exact_name:
        name = base64.b64decode(exact_name[0]).decode()
    return name, base64.b64decode(value)
