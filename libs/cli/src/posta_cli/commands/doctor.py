"""`posta doctor`: what is wrong with this machine, this configuration, this system; and what to do."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import typer

from posta_cli import rules
from posta_cli.assembly import imagine
from posta_cli.commands.target import shared_settings
from posta_cli.doctor import cluster, configuration, machine
from posta_cli.doctor.finding import Finding, Verdict, fail
from posta_cli.errors import CommandError
from posta_cli.given import read_given
from posta_cli.home import Home, locate
from posta_cli.supervisor.plan import ports_needed
from posta_cli.supervisor.surroundings import parts_to_start


def doctor() -> None:
    """Check everything; each line says ok, warn or fail, and what to do. Exit 1: something failed."""
    folder = Path.cwd()
    given = read_given(os.environ, folder)
    found = examine(locate(given), given, folder)
    for finding in found:
        print("\n".join(finding.lines()))
    worst = [finding for finding in found if finding.verdict is Verdict.FAIL]
    if worst:
        print(f"\n{len(worst)} of {len(found)} checks failed.")
        raise typer.Exit(1)
    print(f"\nAll {len(found)} checks passed.")


def examine(home: Home, given: Mapping[str, str], folder: Path) -> list[Finding]:
    """Run every check that makes sense here and now; starts and changes nothing."""
    parts = parts_to_start(given, sandbox=True)
    status, of_system = cluster.running(home)
    found = [
        machine.python(),
        machine.home_is_usable(home),
        machine.disk(home),
        machine.jars_are_cached(),
        *machine.brought(parts),
    ]
    if status is None:
        found += machine.ports_are_free(given, ports_needed(parts))
    found.append(configuration.rules_folder(rules.find(given, folder)))
    try:
        found += configuration.services(imagine(home, given, parts, folder))
        found += of_system
        found += _servers(given, folder, is_running=status is not None)
    except CommandError as exc:
        found.append(fail("settings", exc.what, exc.remedy))
    return found


def _servers(given: Mapping[str, str], folder: Path, *, is_running: bool) -> list[Finding]:
    """Check Kafka and the database where there is one to ask."""
    parts = parts_to_start(given, sandbox=True)
    settings = shared_settings(given, folder)
    checks = []
    if is_running or not parts.kafka:
        checks.append(cluster.kafka(settings))
    if is_running or not parts.postgres:
        checks.append(cluster.database(settings))
    return [asyncio.run(check) for check in checks]
