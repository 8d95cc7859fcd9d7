"""`posta dlq`: replay a dead letter from the shell; the console shows and decides all of them."""

import os
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from posta_cli import contact
from posta_cli.errors import CommandError
from posta_cli.given import read_given
from posta_cli.home import locate
from posta_cli.operator_key import operator_key

app = typer.Typer(
    no_args_is_help=True, help="Replay a dead letter; the console shows and decides all of them."
)
_TIMEOUT_S = 15.0


@app.callback()
def dlq() -> None:
    """Replay a dead letter; the console shows and decides all of them."""


@app.command()
def replay(
    number: Annotated[int, typer.Argument(min=1, help="The dead letter's number, as the console shows it.")],
    *,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for the audit trail.")] = None,
    from_scratch: Annotated[
        bool,
        typer.Option(
            "--from-scratch",
            help="Of a question: ask the model anew, even if an answer is stored. That costs money again.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before something costs money.")] = False,
) -> None:
    """Put a dead letter back on its group's shortest retry lane."""
    if from_scratch and not yes:
        typer.confirm("The model is asked anew, and paid for again. Go on?", abort=True)
    given = read_given(os.environ, Path.cwd())
    running = contact.ask(locate(given), "status")["status"]
    service = running["services"].get("dlq-admin")
    if service is None:
        raise CommandError("This system runs no dlq-admin.", "Start it with `posta up`.")
    key = operator_key(running, given, scopes=("dlq:write",))
    body = {"reason": reason, "from_scratch": from_scratch}
    said = _post(f"{service['url']}/v1/dead-letters/{number}/replay", key, body)
    if said["state"] == "replaying":
        print(f"Dead letter {number} is replayed as soon as Kafka confirms it.")
    else:
        print(f"Dead letter {number} is {said['state']}.")


def _post(url: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = httpx.post(
            url, json=body, headers={"authorization": f"Bearer {key}"}, timeout=_TIMEOUT_S, trust_env=False
        )
        said = answer.json()
    except (httpx.HTTPError, ValueError) as exc:
        raise CommandError(
            f"dlq-admin does not answer ({type(exc).__name__}).", "See `posta status` and `posta logs`."
        ) from exc
    if not answer.is_success or not isinstance(said, dict):
        said = said if isinstance(said, dict) else {}
        raise CommandError(
            f"dlq-admin answered {answer.status_code}: {said.get('title', 'no reason given')}.",
            str(said.get("detail", "See `posta logs dlq-admin`.")),
        )
    return said
