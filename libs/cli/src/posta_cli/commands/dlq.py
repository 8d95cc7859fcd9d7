"""`posta dlq`: replay a dead letter from the shell; the console shows and decides all of them."""

from typing import Annotated

import typer

from posta_cli.service_call import ask_service

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
    said = ask_service(
        "dlq-admin",
        "POST",
        f"/v1/dead-letters/{number}/replay",
        scopes=("dlq:write",),
        timeout_s=_TIMEOUT_S,
        body={"reason": reason, "from_scratch": from_scratch},
    )
    if said["state"] == "replaying":
        print(f"Dead letter {number} is replayed as soon as Kafka confirms it.")
    else:
        print(f"Dead letter {number} is {said['state']}.")
