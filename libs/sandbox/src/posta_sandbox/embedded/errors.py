"""What can go wrong with an embedded server, as one small tree.

EmbeddedError
├── JarsUnavailable   a jar cannot be fetched, or is not the file that was agreed on
├── PortInUse         a port that was asked for by number is taken
├── HomeUnusable      the state folder cannot be written, is full, or belongs to a running system
└── StartFailed       the server ended or stayed silent; the message carries the end of its log

Each message says what happened and what to do about it, and carries no password.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path


class EmbeddedError(Exception):
    """An embedded server cannot run; the message says why and what to do."""


class JarsUnavailable(EmbeddedError):
    """The jars on the committed list cannot be had, or differ from it."""


class PortInUse(EmbeddedError):
    """A port was asked for by number and something else listens on it."""

    def __init__(self, name: str, port: int) -> None:
        super().__init__(
            f"port {port} on 127.0.0.1, asked for as the {name} port, is in use: "
            "stop what listens there, or leave the port out to have a free one chosen"
        )
        self.port = port


class HomeUnusable(EmbeddedError):
    """The state folder cannot be used."""


class StartFailed(EmbeddedError):
    """The server did not come up; its log says why."""


@contextmanager
def home_errors(home: Path) -> Iterator[None]:
    """Turn the operating system's refusals while writing below `home` into HomeUnusable."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (ENOSPC, EDQUOT):
            reason = "the disk (or the quota) is full: free some space"
        else:
            reason = f"{exc.strerror or exc}: choose a folder that this account may write"
        raise HomeUnusable(f"cannot write the state folder {home}: {reason}") from exc
