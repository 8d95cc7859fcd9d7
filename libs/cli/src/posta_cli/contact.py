"""Talks to the running supervisor of a home from another process."""

import json
import os
import signal
import socket
import time
from typing import Any

from posta_cli import lock
from posta_cli.errors import CommandError, NotRunningError
from posta_cli.home import Home

_CONNECT_TIMEOUT_S = 5.0
_POLL_S = 0.05


def ask(home: Home, command: str, *, timeout_s: float = 10.0, **fields: str) -> dict[str, Any]:
    """Return the supervisor's answer.

    Raises NotRunningError when there is no supervisor (a stale address file is removed), and
    CommandError with its words when it refuses, or when it does not answer in time.
    """
    pid = running_pid(home)
    try:
        address = json.loads(home.address_file.read_text(encoding="utf-8"))
        request = {"token": address["token"], "command": command, **fields}
        answer = _exchange(address["host"], address["port"], request, timeout_s)
    except (OSError, ValueError, KeyError) as exc:
        raise CommandError(
            f"The supervisor (pid {pid}) does not answer: {type(exc).__name__}.",
            "It may be starting or ending: try again; else end it with `posta down`.",
        ) from exc
    if not answer.get("ok"):
        raise CommandError(str(answer.get("what")), str(answer.get("remedy")))
    return answer


def running_pid(home: Home) -> int:
    """Return the pid of the home's supervisor, or raise NotRunningError after clearing leftovers."""
    with lock.looked_at(home) as pid:
        if pid is not None:
            return pid
        stale = home.address_file.exists()
        home.address_file.unlink(missing_ok=True)
    note = " It was killed before; what it left behind is cleaned up." if stale else ""
    raise NotRunningError(
        f"No Posta system runs in {home.root}.{note}",
        "Start one with `posta up`, or name another folder with POSTA_HOME.",
    )


def end(home: Home, *, timeout_s: float) -> int:
    """End the running supervisor and wait until it has; return its pid.

    It is asked first, then sent SIGTERM if it does not answer. Raises NotRunningError when there is
    none, CommandError when it is still there after `timeout_s`.
    """
    pid = running_pid(home)
    try:
        ask(home, "stop")
    except NotRunningError:
        return pid
    except CommandError:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_s
    while lock.holder(home) is not None:
        if time.monotonic() > deadline:
            raise CommandError(
                f"The supervisor (pid {pid}) is still stopping after {timeout_s:.0f} s.",
                f"See `posta logs supervisor`; `kill -9 {pid}` ends it and all its processes.",
            )
        time.sleep(_POLL_S)
    return pid


def _exchange(host: str, port: int, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    with socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT_S) as connection:
        connection.settimeout(timeout_s)
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as file:
            answer = json.loads(file.readline())
    if not isinstance(answer, dict):
        raise ValueError("the answer is no JSON object")  # noqa: TRY004  one kind for bad answers
    return answer
