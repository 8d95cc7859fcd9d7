"""`posta llm`: why a question is waiting for an LLM, and what the answers cost."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from posta_cli.commands.llm_eval import eval_faq
from posta_cli.commands.llm_memory import cache, erase
from posta_cli.llm_table import lines
from posta_cli.service_call import ask_service
from posta_cli.usage_table import usage_lines

app = typer.Typer(no_args_is_help=True, help="Show what llm-worker does and knows; erase what it remembers.")
app.command(name="eval-faq")(eval_faq)
app.command(name="erase")(erase)
app.command(name="cache")(cache)
_TIMEOUT_S = 5.0


class _By(StrEnum):
    DAY = "day"
    TENANT = "tenant"
    CONVERSATION = "conversation"
    MODEL = "model"
    OUTCOME = "outcome"


@app.callback()
def llm() -> None:
    """Show what llm-worker does and knows; erase what it remembers."""


@app.command()
def status(
    *, as_json: Annotated[bool, typer.Option("--json", help="For programs: the worker's own answer.")] = False
) -> None:
    """Show each model's room, circuit and limits, and who waits for what."""
    report = _report("/admin/llm")
    print(json.dumps(report, indent=2) if as_json else "\n".join(lines(report)))


@app.command()
def usage(
    *,
    by: Annotated[_By, typer.Option("--by", help="What each line is about.")] = _By.DAY,
    days: Annotated[int, typer.Option("--days", min=1, max=3_660, help="So many, today the last.")] = 7,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Only guild:<id>, person:<id> or mailbox:<account>.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000, help="Most lines.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: the worker's own answer.")] = False,
) -> None:
    """Show what models cost and what was saved, and how far each tenant is with its budget of today."""
    asked = {"by": by.value, "days": days, "limit": limit, **({"tenant": tenant} if tenant else {})}
    report = _report("/admin/usage", asked)
    print(json.dumps(report, indent=2) if as_json else "\n".join(usage_lines(report)))


def _report(path: str, asked: Mapping[str, str | int] | None = None) -> dict[str, Any]:
    return ask_service("llm-worker", "GET", path, scopes=("engine:read",), timeout_s=_TIMEOUT_S, query=asked)
