"""How a program reaches Posta: given in code, or by the environment.

POSTA_URL            address of ingress, such as https://posta.example.org
POSTA_API_KEY        key with the scope events:publish; POSTA_API_KEY_FILE may name a file with it
POSTA_SOURCE         who speaks; default /hosts/<name of this machine>
POSTA_DESTINATION    where events go that name no destination
POSTA_SPOOL          file that keeps events while Posta is away; default in ~/.local/state/posta
POSTA_BUDGET_S       the longest a call to publish may take, in seconds; default 2
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a publisher needs to know."""

    url: str = ""
    """Address of ingress; while it is empty events are only kept."""
    api_key: str = field(default="", repr=False)
    source: str = "/unknown"
    destination: str | None = None
    spool: Path | None = None
    """File that keeps events; None: nothing is kept."""
    budget_s: float = 2.0
    """The longest a call may take, in seconds."""
    max_events: int = 10_000
    """The spool keeps no more events than this."""
    max_bytes: int = 64 * _MIB
    """Nor more bytes of events."""


def from_environment(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings that the variables of the module's docs give; what is wrong in them is passed over."""
    given = os.environ if environ is None else environ
    return Settings(
        url=given.get("POSTA_URL", "").strip(),
        api_key=_key(given),
        source=given.get("POSTA_SOURCE", "").strip() or f"/hosts/{socket.gethostname()}",
        destination=given.get("POSTA_DESTINATION", "").strip() or None,
        spool=_spool(given),
        budget_s=_positive(given.get("POSTA_BUDGET_S"), 2.0),
    )


def _key(given: Mapping[str, str]) -> str:
    if key := given.get("POSTA_API_KEY", "").strip():
        return key
    try:
        return Path(given["POSTA_API_KEY_FILE"]).read_text(encoding="utf-8").strip()
    except (KeyError, OSError, UnicodeDecodeError):
        return ""


def _spool(given: Mapping[str, str]) -> Path | None:
    if named := given.get("POSTA_SPOOL", "").strip():
        return Path(named)
    state = given.get("XDG_STATE_HOME", "").strip()
    home = given.get("HOME", "").strip()
    if state:
        return Path(state) / "posta" / "spool.sqlite3"
    return Path(home) / ".local" / "state" / "posta" / "spool.sqlite3" if home else None


def _positive(text: str | None, default: float) -> float:
    try:
        found = float(text or "")
    except ValueError:
        return default
    return found if 0 < found <= 3600 else default  # noqa: PLR2004 - an hour is no budget any more
