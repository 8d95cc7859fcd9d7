"""`posta bench`: measure ours and its peers, interleaved, in one run."""

import asyncio
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from posta_cli.bench import markdown, scenarios
from posta_cli.bench.contenders import Programs
from posta_cli.bench.deliveries.run import DeliveryBench
from posta_cli.bench.intake.run import Size, intake_bench
from posta_cli.bench.measured import Found, measured
from posta_cli.bench.peers import java_peers, python_peers
from posta_cli.bench.report import Report, as_json
from posta_cli.bench.run import Bench, broker
from posta_cli.bench.scenario import Scenario
from posta_cli.errors import CommandError

app = typer.Typer(no_args_is_help=True, help="Measure Posta beside its peers, in one run.")

PEERS = Path(".posta-bench")
"""Where `make bench` installs the peers that are Python programs."""
_QUICK_REQUESTS = 5_000
_FULL_REQUESTS = 40_000
_QUICK_DELIVERIES = 1_000
_FULL_DELIVERIES = 10_000
_QUICK_MAILS, _QUICK_MINUTE_S, _QUICK_QUESTIONS = 120, 3.0, 200
_FULL_MAILS, _FULL_MINUTE_S, _FULL_QUESTIONS = 500, 6.0, 1_000


@app.callback()
def bench() -> None:
    """Measure Posta beside its peers, in one run."""


@app.command()
def engine(
    *,
    as_json_form: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    scenario: Annotated[
        list[str] | None, typer.Option("--scenario", help="Only this one; repeatable.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer records: minutes, not an hour.")] = False,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Runs of each contender.")] = 3,
    records: Annotated[int | None, typer.Option("--records", min=1, help="At most so many records.")] = None,
    write: Annotated[Path | None, typer.Option("--write", help="Put the tables into this page.")] = None,
) -> None:
    """The consumer engine beside a bare loop, FastStream and Confluent's Parallel Consumer."""
    size = scenarios.QUICK if quick else scenarios.FULL
    if records is not None:
        size = scenarios.with_records(size, records)
    chosen = _chosen(scenarios.scenarios(size), scenario)

    async def engines(folder: Path) -> Found:
        programs = Programs(python_peers=python_peers(PEERS), java_peers=await java_peers(folder / "java"))
        async with broker(folder) as bootstrap:
            bench_ = Bench(bootstrap=bootstrap, folder=folder, programs=programs, rounds=rounds, say=_say)
            return [await bench_.measure(one) for one in chosen], programs.versions()

    report = asyncio.run(measured("engine", f"{size.name}, {rounds} rounds", engines))
    _show(report, as_json_form=as_json_form, page=write)


@app.command()
def ingress(
    *,
    as_json_form: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer requests: a minute, not several.")] = False,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Runs of each contender.")] = 3,
    requests: Annotated[int | None, typer.Option("--requests", min=100, help="So many in each run.")] = None,
    write: Annotated[Path | None, typer.Option("--write", help="Put the tables into this page.")] = None,
) -> None:
    """Ingress beside a FastAPI application that only verifies and parses: same core, same client."""
    size = Size(
        requests=requests or (_QUICK_REQUESTS if quick else _FULL_REQUESTS),
        steady_s=3.0 if quick else 20.0,
        rounds=rounds,
    )

    async def intake(folder: Path) -> Found:
        async with intake_bench(folder, size, _say) as bench_:
            return await bench_.measure(), {"fastapi": version("fastapi"), "uvicorn": version("uvicorn")}

    report = asyncio.run(measured("ingress", f"{size.requests} requests, {rounds} rounds", intake))
    _show(report, as_json_form=as_json_form, page=write)


@app.command()
def notifier(
    *,
    as_json_form: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer deliveries.")] = False,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Runs of each contender.")] = 3,
    deliveries: Annotated[int | None, typer.Option("--deliveries", min=10, help="So many a run.")] = None,
    write: Annotated[Path | None, typer.Option("--write", help="Put the tables into this page.")] = None,
) -> None:
    """Notifier beside senders without order, ledger, limits or retries: deliveries/s and CPU for each."""
    wanted = deliveries or (_QUICK_DELIVERIES if quick else _FULL_DELIVERIES)

    async def deliver(folder: Path) -> Found:
        bench_ = DeliveryBench(folder=folder, deliveries=wanted, rounds=rounds, say=_say)
        return await bench_.measure(), {"httpx": version("httpx")}

    report = asyncio.run(measured("notifier", f"{wanted} deliveries, {rounds} rounds", deliver))
    _show(report, as_json_form=as_json_form, page=write)


@app.command()
def llm(
    *,
    as_json_form: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer mails: two minutes, not ten.")] = False,
    mails: Annotated[int | None, typer.Option("--mails", min=20, help="So many mails in the box.")] = None,
    minute_s: Annotated[
        float | None,
        typer.Option("--minute", min=1, max=60, help="Seconds that a minute of the provider's takes."),
    ] = None,
    write: Annotated[Path | None, typer.Option("--write", help="Put the tables into this page.")] = None,
) -> None:
    """Two llm-workers beside two naive ones: the same mailbox, the same allowance, at the same time."""
    # A service's own code, which no other command needs: not loaded by `posta status` and the like.
    from posta_cli.bench.answering.backlog import Size as MailboxSize  # noqa: PLC0415
    from posta_cli.bench.answering.run import AnsweringBench  # noqa: PLC0415

    size = MailboxSize(
        mails=mails or (_QUICK_MAILS if quick else _FULL_MAILS),
        minute_s=minute_s or (_QUICK_MINUTE_S if quick else _FULL_MINUTE_S),
    )
    questions = _QUICK_QUESTIONS if quick else _FULL_QUESTIONS
    told = f"{size.mails} mails, a minute takes {size.minute_s:g} s; overhead: {questions} questions"

    async def answer(folder: Path) -> Found:
        return await AnsweringBench(folder=folder, size=size, questions=questions, say=_say).measure(), {}

    report = asyncio.run(measured("llm", told, answer))
    _show(report, as_json_form=as_json_form, page=write)


def _chosen(every: tuple[Scenario, ...], wanted: list[str] | None) -> tuple[Scenario, ...]:
    known = {one.name: one for one in every}
    unknown = sorted(set(wanted or ()) - set(known))
    if unknown:
        raise CommandError(f"There is no scenario {', '.join(unknown)}.", f"There are: {', '.join(known)}.")
    return tuple(known[name] for name in dict.fromkeys(wanted)) if wanted else every


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _show(report: Report, *, as_json_form: bool, page: Path | None) -> None:
    tables = markdown.render(report)
    if page is not None:
        _write(page, tables, report.name)
    print(json.dumps(as_json(report), indent=2, ensure_ascii=False) if as_json_form else tables)


def _write(page: Path, tables: str, name: str) -> None:
    try:
        text = page.read_text("utf-8") if page.exists() else ""
        page.write_text(markdown.replace_section(text, name, tables), encoding="utf-8")
    except (OSError, ValueError) as exc:
        raise CommandError(f"{page} cannot be written: {exc}.", "Check the page and its markers.") from exc
