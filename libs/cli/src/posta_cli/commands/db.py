"""`posta db`: bring a database's tables to what this version declares."""

import asyncio
import os
from pathlib import Path

import typer

from posta.errors import PostaError
from posta.postgres import migrations
from posta_cli.commands.target import shared_settings
from posta_cli.errors import CommandError

app = typer.Typer(no_args_is_help=True, help="Run or show the database's migrations.")

EXIT_PENDING = 2
"""`status` found migrations that have not run."""


@app.command()
def migrate() -> None:
    """Run the pending migrations, in order, each in a transaction."""
    try:
        done = asyncio.run(migrations.migrate(_url()))
    except PostaError as exc:
        raise _failed(exc) from exc
    for name in done:
        print(f"  applied  {name}")
    if not done:
        print("Every migration has run.")


@app.command()
def status() -> None:
    """Show which migrations have run. Exit 2: some have not."""
    try:
        found = asyncio.run(migrations.status(_url()))
    except PostaError as exc:
        raise _failed(exc) from exc
    for name in found.applied:
        print(f"  applied  {name}")
    for name in found.pending:
        print(f"  pending  {name}")
    if found.pending:
        raise typer.Exit(EXIT_PENDING)


def _url() -> str:
    return shared_settings(os.environ, Path.cwd()).database.url.get_secret_value()


def _failed(exc: PostaError) -> CommandError:
    return CommandError(f"{exc}.", "Check POSTA_DATABASE__URL, or start `posta up`.")
