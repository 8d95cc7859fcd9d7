"""Templates to HTML: everything that is put in is escaped, and nothing undefined passes silently."""

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import DictLoader, Environment, StrictUndefined

_PACKAGE = "dlq_admin"
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def environment() -> Environment:
    """The templates of this package, read once."""
    folder = files(_PACKAGE).joinpath("templates")
    templates = {entry.name: entry.read_text(encoding="utf-8") for entry in folder.iterdir()}
    made = Environment(
        loader=DictLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["utc"] = utc
    made.filters["ago"] = ago
    made.filters["size"] = size
    return made


def render(made: Environment, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """The page as a response."""
    return HTMLResponse(made.get_template(template).render(values), status_code=status)


def utc(text: str) -> str:
    """``2026-11-21 08:15:03 UTC`` of an RFC 3339 time."""
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def ago(text: str, now: datetime) -> str:
    """``3 min ago`` of an RFC 3339 time."""
    seconds = (now - datetime.fromisoformat(text)).total_seconds()
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return "now"


def size(count: int) -> str:
    """``512 bytes``, ``1.5 KiB``."""
    for unit, length in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return "1 byte" if count == 1 else f"{count} bytes"


def static_files() -> dict[str, bytes]:
    """The style, the script and the icon, by name."""
    return {entry.name: entry.read_bytes() for entry in files(_PACKAGE).joinpath("static").iterdir()}
