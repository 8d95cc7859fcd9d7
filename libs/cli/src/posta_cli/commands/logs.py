"""`posta logs`: what the processes wrote, as a person reads it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from posta_cli.errors import CommandError
from posta_cli.given import read_given
from posta_cli.home import Home, locate
from posta_cli.supervisor.log_file import tail
from posta_cli.supervisor.log_line import for_people

_POLL_S = 0.25
_SERVERS = {
    "kafka": "kafka/kafka.log",
    "postgres": "postgres/postgres.log",
    "mail": "mail/greenmail.log",
}


def logs(
    name: Annotated[str | None, typer.Argument(help="One process; without it: all services.")] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
    count: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines.")] = 50,
    raw: Annotated[bool, typer.Option("--raw", help="The lines as they are (JSON).")] = False,
) -> None:
    """Show the last log lines; they stay readable when nothing runs."""
    home = locate(read_given(os.environ, Path.cwd()))
    files = _files(home, name)
    width = max(map(len, files)) if len(files) > 1 else 0
    followers = {source: _lines_from_here(file) for source, file in files.items() if follow}
    for origin, text in _merged(files, count):
        _show(origin, text, width=width, raw=raw)
    while followers:
        for source, news in followers.items():
            for line in iter(news.__next__, None):
                _show(source, line, width=width, raw=raw)
        time.sleep(_POLL_S)


def _files(home: Home, name: str | None) -> dict[str, Path]:
    """Return the log files asked for; raises CommandError when there is none."""
    services = {path.stem: path for path in sorted(home.logs.glob("*.log"))}
    supervisor = {"supervisor": services.pop("supervisor")} if "supervisor" in services else {}
    known = (
        services
        | supervisor
        | {server: home.root / path for server, path in _SERVERS.items() if (home.root / path).exists()}
    )
    wanted = services if name is None else {name: known[name]} if name in known else {}
    if not wanted:
        raise CommandError(
            f"There is no log of {name or 'anything'} in {home.root}.",
            f"Choose one of {', '.join(known)}." if known else "Start a system with `posta up`.",
        )
    return wanted


def _merged(files: dict[str, Path], count: int) -> list[tuple[str, str]]:
    """Return the last `count` lines of all files, in the order of their time stamps."""
    found = [
        (_stamp(line), number, source, line)
        for source, file in files.items()
        for number, line in enumerate(tail(file, count))
    ]
    if len(files) > 1:
        found.sort()
    return [(source, line) for _, _, source, line in found[-count:]] if count else []


def _stamp(line: str) -> str:
    """Return a line's ISO time, or "" (sorts first) when it has none."""
    _, mark, rest = line.partition('"timestamp": "')
    return rest[:27] if mark else ""


def _lines_from_here(path: Path) -> Iterator[str | None]:
    """Yield each new whole line, and None whenever there is none yet."""
    with path.open("rb") as file:
        position, rest = file.seek(0, os.SEEK_END), b""
        while True:
            if path.stat().st_size < position:  # it was cut: see log_file
                position, rest = 0, b""
            file.seek(position)
            fresh = file.read()
            position += len(fresh)
            *lines, rest = (rest + fresh).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
            yield None


def _show(source: str, line: str, *, width: int, raw: bool) -> None:
    text = line if raw else for_people(line)
    print(f"{source:<{width}}  {text}" if width else text, flush=True)
