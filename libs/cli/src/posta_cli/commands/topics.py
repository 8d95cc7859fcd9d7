"""`posta topics`: compare a cluster with the declared topics, and create what is missing."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from posta.errors import PostaError
from posta.kafka import topics as cluster
from posta.kafka.topics import Change, ChangeKind
from posta_cli.commands.target import shared_settings
from posta_cli.errors import CommandError

app = typer.Typer(no_args_is_help=True, help="Compare the cluster's topics with the declaration.")

EXIT_DIFFERS = 2
"""`plan` found differences."""


@app.command()
def plan() -> None:
    """Show what differs from the declaration; change nothing. Exit 2: something differs."""
    changes = _run_plan()
    _show(changes)
    if changes:
        raise typer.Exit(EXIT_DIFFERS)


@app.command()
def apply(
    *,
    grow: Annotated[
        bool,
        typer.Option("--grow", help="Also add partitions; keys then move between them."),
    ] = False,
) -> None:
    """Create the missing topics; repeat it as often as you like. Nothing is ever deleted."""
    settings = shared_settings(os.environ, Path.cwd()).kafka
    try:
        changes = asyncio.run(cluster.apply(settings, grow=grow))
    except PostaError as exc:
        raise _unreachable(exc) from exc
    done = {ChangeKind.CREATE} | ({ChangeKind.GROW} if grow else set())
    for change in changes:
        mark = "done" if change.kind in done else "left"
        print(f"  {mark}  {change.kind:<6}  {change.topic}: {change.detail}")
    if not changes:
        print("Every topic is as declared.")


def _run_plan() -> list[Change]:
    try:
        return asyncio.run(cluster.plan(shared_settings(os.environ, Path.cwd()).kafka))
    except PostaError as exc:
        raise _unreachable(exc) from exc


def _show(changes: list[Change]) -> None:
    for change in changes:
        print(f"  {change.kind:<6}  {change.topic}: {change.detail}")
    if not changes:
        print("Every topic is as declared.")


def _unreachable(exc: PostaError) -> CommandError:
    return CommandError(f"{exc}.", "Check POSTA_KAFKA__BOOTSTRAP_SERVERS, or start `posta up`.")
