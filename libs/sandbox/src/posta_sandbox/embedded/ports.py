"""Free loopback ports that a server finds again after a restart.

Ports are drawn from below the range in which the kernel picks the local ends of outgoing
connections. A port inside that range can be taken by any client's connection while the server
restarts, even by the very client that keeps trying to reach it (a TCP self-connect).

A port is given out seconds before something listens on it, so each one is marked in a folder that all of
this account's processes share: two systems that start at once never get the same.
"""

import json
import os
import random
import socket
import tempfile
import time
from pathlib import Path

from posta_sandbox.embedded.errors import PortInUse

LOOPBACK = "127.0.0.1"
LOWEST_PORT = 15_000
DEFAULT_EPHEMERAL_START = 32_768
_MARKED_FOR_S = 120
_LINUX_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now (lingering closed sockets aside)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port(avoid: frozenset[int] = frozenset()) -> int:
    """Return a loopback port on which nothing listens, outside the ephemeral range if possible."""
    end = _ephemeral_start()
    for _ in range(200):
        port = random.randrange(LOWEST_PORT, end)
        if port not in avoid and is_free(port) and _mark(port):
            return port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _mark(port: int) -> bool:
    """Take this port for a while; False when another process of this account has just taken it."""
    marks = Path(tempfile.gettempdir()) / f"posta-ports-{os.getuid()}"
    mark = marks / str(port)
    try:
        marks.mkdir(mode=0o700, exist_ok=True)
        if mark.exists() and time.time() - mark.stat().st_mtime > _MARKED_FOR_S:
            mark.unlink(missing_ok=True)
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:  # no such folder may be written: no worse than without marks
        return True
    return True


def _ephemeral_start() -> int:
    try:
        start = int(_LINUX_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return DEFAULT_EPHEMERAL_START
    return start if start > LOWEST_PORT + 1_000 else DEFAULT_EPHEMERAL_START


class PortBook:
    """The ports one home has been given, kept in `ports.json` below it."""

    def __init__(self, home: Path) -> None:
        self._path = home / "ports.json"

    def choose(self, name: str, asked: int | None = None) -> int:
        """Return the port for `name`: the one asked for, else last time's if free, else a new one.

        Raises PortInUse when the port was asked for and is taken, and OSError when the book
        cannot be written.
        """
        book = self._read()
        if asked is not None:
            if not is_free(asked):
                raise PortInUse(name, asked)
            port = asked
        else:
            port = book.get(name, 0)
            if not port or not is_free(port):
                port = free_port(frozenset(book.values()))
        if book.get(name) != port:
            self._write({**book, name: port})
        return port

    def _read(self) -> dict[str, int]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        if not isinstance(found, dict):
            return {}
        return {k: v for k, v in found.items() if isinstance(v, int)}

    def _write(self, book: dict[str, int]) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(book, indent=2, sort_keys=True), encoding="utf-8")
        fresh.replace(self._path)
