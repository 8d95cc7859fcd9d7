"""`posta engine`: how the engines of the running system are; pause them, resume them."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from posta_cli import contact, engine_calls
from posta_cli.engine_calls import Answer
from posta_cli.engine_table import lines
from posta_cli.errors import CommandError
from posta_cli.given import read_given
from posta_cli.home import locate
from posta_cli.operator_key import operator_key

app = typer.Typer(no_args_is_help=True, help="Show, pause and resume the engines of the running system.")

Service = Annotated[str | None, typer.Argument(help="One with an engine; all of them when left out.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: the engines' own answers.")]


@app.command()
def status(service: Service = None, *, as_json: AsJson = False) -> None:
    """Show what each engine owns and holds, and why it stands still if it does."""
    services, key = _target(service)
    _show(engine_calls.read_status(services, key), as_json=as_json)


@app.command()
def pause(
    service: Service = None,
    *,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Shown to whoever wonders.")],
    as_json: AsJson = False,
) -> None:
    """Start no further record until resumed; what runs goes on, no attempt is used, nobody is evicted."""
    services, key = _target(service)
    _show(engine_calls.pause(services, key, reason=reason), as_json=as_json)


@app.command()
def resume(service: Service = None, *, as_json: AsJson = False) -> None:
    """End the pauses of operators and of the flood breaker."""
    services, key = _target(service)
    _show(engine_calls.resume(services, key), as_json=as_json)


def _target(service: str | None) -> tuple[dict[str, str], str]:
    """The URLs to call, and the key to call them with."""
    given = read_given(os.environ, Path.cwd())
    running = contact.ask(locate(given), "status")["status"]
    return engine_calls.chosen(running, service), operator_key(
        running, given, scopes=("engine:read", "engine:operate")
    )


def _show(answers: list[Answer], *, as_json: bool) -> None:
    if as_json:
        said = {
            one.service: one.status if one.status is not None else {"fault": one.fault} for one in answers
        }
        print(json.dumps(said, indent=2))
    else:
        print("\n".join(lines(answers, now=datetime.now(UTC))))
    silent = [one.service for one in answers if one.status is None]
    if silent:
        raise CommandError(f"No answer from {', '.join(silent)}.", "See `posta status` and `posta logs`.")
