"""`posta keys`: make, list, replace and revoke the API keys in PostgreSQL."""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer

from posta.postgres.api_keys import AmbiguousKey, FreshKey, KeyRow, KeyTable, NoSuchKey
from posta_cli.database_call import call_database
from posta_cli.errors import CommandError
from posta_cli.time_span import parse_time_span

app = typer.Typer(no_args_is_help=True, help="Make, list, replace and revoke API keys.")
R = TypeVar("R")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SCOPE = re.compile(r"[a-z][a-z0-9-]*:[a-z][a-z0-9-]*")
_PATTERN = re.compile(r"[^*\s]*\*?")

Which = Annotated[str, typer.Argument(help="The key's id, or its name when only one valid key has it.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who will use it; their events are known by it.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="What it may do; repeat it for more.", show_default=True)
    ] = ["events:publish"],  # noqa: B006 - typer copies it
    source: Annotated[
        list[str],
        typer.Option("--source", help="A source it may speak for; the end may be '*'. Default: any."),
    ] = [],  # noqa: B006
    destination: Annotated[
        list[str],
        typer.Option("--destination", help="A destination it may reach; the end may be '*'. Default: any."),
    ] = [],  # noqa: B006
    expires: Annotated[str, typer.Option(help="When it ends, from now: 90d, 12h. Default: never.")] = "",
) -> None:
    """Make a key and print it, once: only its hash is kept."""
    _check(_NAME, name, "name", "letters, digits, '.', '_' and '-', at most 63")
    for text in scope:
        _check(_SCOPE, text, "scope", "two words such as events:publish")
    for text in (*source, *destination):
        _check(_PATTERN, text, "pattern", "text without blanks, with '*' only at its end")
    expires_at = datetime.now(UTC) + parse_time_span(expires) if expires else None
    made = _run(
        lambda keys: keys.create(
            name, scopes=set(scope), sources=set(source), destinations=set(destination), expires_at=expires_at
        )
    )
    _show_secret(made)


@app.command(name="list")
def list_keys(
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Also those that have expired or were revoked.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the keys, never their secrets."""
    now = datetime.now(UTC)
    rows = [row for row in _run(lambda keys: keys.rows()) if every or row.state(now) == "valid"]
    if as_json:
        print(json.dumps([_document(row, now) for row in rows], indent=2))
    elif not rows:
        print("No key. Make one: posta keys create NAME")
    else:
        for row in rows:
            print(_line(row, now))


@app.command()
def revoke(which: Which) -> None:
    """End a key. Services notice within 10 seconds while they reach PostgreSQL."""
    row = _run(lambda keys: keys.revoke(which))
    print(f"{row.id} ({row.name}) is revoked.")


@app.command()
def rotate(
    which: Which,
    overlap: Annotated[str, typer.Option(help="How long the old key still works: 24h, 30m, 0s.")] = "24h",
    expires: Annotated[str, typer.Option(help="When the new one ends, from now. Default: never.")] = "",
) -> None:
    """Make a key that may do the same, and let the old one end after the overlap."""
    expires_at = datetime.now(UTC) + parse_time_span(expires) if expires else None
    wanted = parse_time_span(overlap)
    made, old = _run(lambda keys: keys.rotate(which, overlap=wanted, expires_at=expires_at))
    _show_secret(made)
    print(f"{old.id} still works until {_moment(old.expires_at)}.")


def _run(act: Callable[[KeyTable], Awaitable[R]]) -> R:
    try:
        return call_database(lambda database: act(KeyTable(database)), application="posta-keys")
    except (NoSuchKey, AmbiguousKey) as exc:
        raise CommandError(f"{exc}.", "See `posta keys list`.") from exc


def _check(form: re.Pattern[str], text: str, what: str, rule: str) -> None:
    if not form.fullmatch(text):
        raise CommandError(f"{text!r:.80} is no {what}.", f"A {what} is {rule}.")


def _show_secret(made: FreshKey) -> None:
    print(f"{made.secret}\n")
    print(f"This is {made.id}, named {made.name}. It is shown this once; only its hash is kept.")


def _line(row: KeyRow, now: datetime) -> str:
    parts = [
        f"{row.id}  {row.name:<20} {row.state(now):<8} {'+'.join(row.scopes)}",
        f"sources {','.join(row.sources)}" if row.sources else "",
        f"destinations {','.join(row.destinations)}" if row.destinations else "",
        f"ends {_moment(row.expires_at)}" if row.expires_at else "",
        f"last used {_moment(row.last_used_at)}" if row.last_used_at else "never used",
    ]
    return "  ".join(filter(None, parts))


def _document(row: KeyRow, now: datetime) -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state(now),
        "scopes": list(row.scopes),
        "sources": list(row.sources),
        "destinations": list(row.destinations),
        "created_at": _moment(row.created_at),
        "expires_at": _moment(row.expires_at),
        "revoked_at": _moment(row.revoked_at),
        "last_used_at": _moment(row.last_used_at),
    }


def _moment(at: datetime | None) -> str | None:
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
