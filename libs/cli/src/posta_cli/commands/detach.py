"""Runs a foreground command as a daemon: relays its lines until it is ready or has failed."""

import os
import select
import signal
import subprocess
import sys
from typing import BinaryIO

import typer

from posta_cli import contact
from posta_cli import home as state_folder
from posta_cli.home import Home, unusable
from posta_cli.supervisor.summary import summary

_POLL_S = 0.1


def run_detached(home: Home, arguments: list[str]) -> None:
    """Start `posta arguments` in a session of its own and return once it says that it is ready.

    Its lines go to the supervisor's log and are shown here meanwhile. Exits with its exit code when
    it ends before. Ctrl-C here stops it.
    """
    state_folder.prepare(home)
    with _log_from_here(home) as lines:
        daemon, read_end = _spawn(home, arguments)
        try:
            is_ready = _relay(daemon, lines, read_end)
        except KeyboardInterrupt:
            daemon.send_signal(signal.SIGTERM)
            _relay(daemon, lines, read_end)
            raise typer.Exit(128 + signal.SIGINT) from None
        finally:
            os.close(read_end)
    if not is_ready:
        raise typer.Exit(daemon.wait() or 1)
    status = contact.ask(home, "status")["status"]
    print("\n".join(summary(status, stop_with="`posta down`")))


def _log_from_here(home: Home) -> BinaryIO:
    """Open the supervisor's log for reading what is written from now on."""
    log = home.log_of("supervisor")
    try:
        log.touch(mode=0o600)
        lines = log.open("rb")
    except OSError as exc:
        raise unusable(home, exc) from exc
    lines.seek(0, os.SEEK_END)
    return lines


def _spawn(home: Home, arguments: list[str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start the daemon; return it and the descriptor that tells when it is ready or gone."""
    read_end, write_end = os.pipe()
    try:
        with home.log_of("supervisor").open("ab") as output:
            daemon = subprocess.Popen(  # noqa: S603  our own program, no shell
                [sys.executable, "-m", "posta_cli", *arguments, f"--ready-fd={write_end}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[write_end],
                start_new_session=True,
            )
    finally:
        os.close(write_end)
    return daemon, read_end


def _relay(daemon: subprocess.Popen[bytes], lines: BinaryIO, read_end: int) -> bool:
    """Show what the daemon writes until it is ready (True) or has ended (False)."""
    while not select.select([read_end], [], [], _POLL_S)[0]:
        _show(lines.read())
    is_ready = bool(os.read(read_end, 64))
    if not is_ready:
        daemon.wait()
    _show(lines.read())
    return is_ready


def _show(lines: bytes) -> None:
    print(lines.decode(errors="replace"), end="", flush=True)
