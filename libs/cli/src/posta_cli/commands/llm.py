"""`posta llm`: why a question is waiting for an LLM, and what the answers cost."""

import json
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from posta_cli import contact
from posta_cli.commands.llm_eval import eval_faq
from posta_cli.commands.llm_memory import cache, erase
from posta_cli.errors import CommandError
from posta_cli.given import read_given
from posta_cli.home import locate
from posta_cli.llm_table import lines
from posta_cli.operator_key import operator_key
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
    given = read_given(os.environ, Path.cwd())
    running = contact.ask(locate(given), "status")["status"]
    service = running["services"].get("llm-worker")
    if service is None:
        raise CommandError("This system runs no llm-worker.", "Start it with `posta up`.")
    headers = {"authorization": f"Bearer {operator_key(running, given, scopes=('engine:read',))}"}
    try:
        answer = httpx.get(
            f"{service['url']}{path}", params=asked, headers=headers, timeout=_TIMEOUT_S, trust_env=False
        )
        said = answer.json()
    except (httpx.HTTPError, ValueError) as exc:
        raise CommandError(
            f"llm-worker does not answer ({type(exc).__name__}).", "See `posta status` and `posta logs`."
        ) from exc
    if not answer.is_success or not isinstance(said, dict):
        said = said if isinstance(said, dict) else {}
        raise CommandError(
            f"llm-worker answered {answer.status_code}: {said.get('title', 'no reason given')}.",
            str(said.get("detail", "See `posta logs llm-worker`.")),
        )
    return said
