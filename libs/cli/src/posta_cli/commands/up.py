"""`posta up`: start the whole system and stay with it, or leave it running behind."""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from posta_cli import home as state_folder
from posta_cli import lock
from posta_cli.commands.detach import run_detached
from posta_cli.given import read_given
from posta_cli.home import Home
from posta_cli.supervisor.summary import summary
from posta_cli.supervisor.surroundings import Parts, parts_to_start

READY_MARK = b"ready\n"
"""Written to `--ready-fd` once the system is ready."""


def up(
    *,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once it is ready; it keeps running.")
    ] = False,
    no_sandbox: Annotated[
        bool, typer.Option("--no-sandbox", help="No look-alikes: your Discord, LLM and mailbox.")
    ] = False,
    ready_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Start Kafka, PostgreSQL, the sandbox and the five services; Ctrl-C stops them."""
    given = read_given(os.environ, Path.cwd())
    home = state_folder.locate(given)
    if detach:
        run_detached(home, ["up", *(["--no-sandbox"] if no_sandbox else [])])
        return
    run_foreground(home, given, parts_to_start(given, sandbox=not no_sandbox), ready_fd=ready_fd)


def run_foreground(
    home: Home, given: Mapping[str, str], parts: Parts, *, ready_fd: int | None = None
) -> None:
    """Hold the home, start `parts` in it and stay until the system is stopped."""
    from posta_cli.assembly import assemble  # noqa: PLC0415  slow to import: not for `status`
    from posta_cli.supervisor.supervise import Announcements, supervise  # noqa: PLC0415  the same

    state_folder.prepare(home)
    with lock.held(home):
        _say(f"Posta in {home.root}")
        around = assemble(home, given, parts, Path.cwd())

        def on_ready(status: Mapping[str, Any], took_s: float) -> None:
            _say(f"\nPosta is ready after {took_s:.1f} s.\n")
            if ready_fd is None:
                _say("\n".join(summary(status, stop_with="Ctrl-C")))
                return
            # Who started this daemon shows the summary: the keys in it are not for the log.
            os.write(ready_fd, READY_MARK)
            os.close(ready_fd)

        asyncio.run(supervise(around, Announcements(write=_say, on_ready=on_ready)))


def _say(line: str) -> None:
    # A closed terminal or pipe has no reader any more; the system must go on, or stop in order.
    with contextlib.suppress(OSError):
        print(line, flush=True)
