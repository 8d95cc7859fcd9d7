"""`posta bench`: measure ours and its peers, interleaved, in one run."""

import asyncio
import json
import logging
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from posta_cli.bench import markdown, scenarios
from posta_cli.bench.contenders import Programs
from posta_cli.bench.deliveries.run import DeliveryBench
from posta_cli.bench.intake.run import Size, intake_bench
from posta_cli.bench.machine import machine, versions
from posta_cli.bench.peers import java_peers, python_peers
from posta_cli.bench.report import Report, as_json
from posta_cli.bench.run import Bench, broker
from posta_cli.bench.scenario import Scenario
from posta_cli.errors import CommandError

app = typer.Typer(no_args_is_help=True, help="Measure Posta beside its peers, in one run.")

PEERS = Path(".posta-bench")
"""Where `make bench` installs the peers that are Python programs."""
_NAME = "engine"
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
    report = asyncio.run(_measure(chosen, size.name, rounds))
    tables = markdown.render(report)
    if write is not None:
        _write(write, tables)
    print(json.dumps(as_json(report), indent=2, ensure_ascii=False) if as_json_form else tables)


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
    report = asyncio.run(_measure_ingress(size))
    tables = markdown.render(report)
    if write is not None:
        _write(write, tables, report.name)
    print(json.dumps(as_json(report), indent=2, ensure_ascii=False) if as_json_form else tables)


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
    report = asyncio.run(_measure_notifier(wanted, rounds))
    tables = markdown.render(report)
    if write is not None:
        _write(write, tables, report.name)
    print(json.dumps(as_json(report), indent=2, ensure_ascii=False) if as_json_form else tables)


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
    from posta_cli.bench.answering.report import measured  # noqa: PLC0415

    size = MailboxSize(
        mails=mails or (_QUICK_MAILS if quick else _FULL_MAILS),
        minute_s=minute_s or (_QUICK_MINUTE_S if quick else _FULL_MINUTE_S),
    )
    questions = _QUICK_QUESTIONS if quick else _FULL_QUESTIONS
    report = asyncio.run(measured(size, questions=questions, say=_say))
    tables = markdown.render(report)
    if write is not None:
        _write(write, tables, report.name)
    print(json.dumps(as_json(report), indent=2, ensure_ascii=False) if as_json_form else tables)


async def _measure_notifier(deliveries: int, rounds: int) -> Report:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    before = machine()
    with tempfile.TemporaryDirectory(prefix="posta-bench-") as name:
        bench_ = DeliveryBench(folder=Path(name), deliveries=deliveries, rounds=rounds, say=_say)
        outcomes = await bench_.measure()
    return Report(
        name="notifier",
        date=datetime.now(UTC).isoformat(timespec="minutes"),
        size=f"{deliveries} deliveries, {rounds} rounds",
        machine=before,
        versions={**versions(), "httpx": version("httpx")},
        outcomes=outcomes,
    )


async def _measure_ingress(size: Size) -> Report:
    before = machine()
    with tempfile.TemporaryDirectory(prefix="posta-bench-") as name:
        async with intake_bench(Path(name), size, _say) as bench_:
            outcomes = await bench_.measure()
    return Report(
        name="ingress",
        date=datetime.now(UTC).isoformat(timespec="minutes"),
        size=f"{size.requests} requests, {size.rounds} rounds",
        machine=before,
        versions={**versions(), "fastapi": version("fastapi"), "uvicorn": version("uvicorn")},
        outcomes=outcomes,
    )


def _chosen(every: tuple[Scenario, ...], wanted: list[str] | None) -> tuple[Scenario, ...]:
    known = {one.name: one for one in every}
    unknown = sorted(set(wanted or ()) - set(known))
    if unknown:
        raise CommandError(f"There is no scenario {', '.join(unknown)}.", f"There are: {', '.join(known)}.")
    return tuple(known[name] for name in dict.fromkeys(wanted)) if wanted else every


async def _measure(chosen: tuple[Scenario, ...], size: str, rounds: int) -> Report:
    # It reports what it then does again by itself: a topic made a moment ago is not known everywhere.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    before = machine()
    with tempfile.TemporaryDirectory(prefix="posta-bench-") as name:
        folder = Path(name)
        programs = Programs(python_peers=python_peers(PEERS), java_peers=await java_peers(folder / "java"))
        async with broker(folder) as bootstrap:
            bench_ = Bench(bootstrap=bootstrap, folder=folder, programs=programs, rounds=rounds, say=_say)
            outcomes = [await bench_.measure(one) for one in chosen]
    return Report(
        name=_NAME,
        date=datetime.now(UTC).isoformat(timespec="minutes"),
        size=f"{size}, {rounds} rounds",
        machine=before,
        versions={**versions(), **programs.versions()},
        outcomes=outcomes,
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _write(page: Path, tables: str, name: str = _NAME) -> None:
    try:
        text = page.read_text("utf-8") if page.exists() else ""
        page.write_text(markdown.replace_section(text, name, tables), encoding="utf-8")
    except (OSError, ValueError) as exc:
        raise CommandError(f"{page} cannot be written: {exc}.", "Check the page and its markers.") from exc
