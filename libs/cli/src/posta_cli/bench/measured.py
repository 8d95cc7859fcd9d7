"""A benchmark's report: when, on what machine and with which versions it was measured."""

import logging
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from posta_cli.bench.machine import machine, versions
from posta_cli.bench.report import Outcome, Report

Found = tuple[list[Outcome], Mapping[str, str]]
"""What was measured, and the versions of what only this benchmark uses."""


async def measured(name: str, size: str, measure: Callable[[Path], Awaitable[Found]]) -> Report:
    """Run ``measure`` in a temporary folder and report."""
    # It reports what it then does again by itself: a topic made a moment ago is not known everywhere.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    before = machine()
    with tempfile.TemporaryDirectory(prefix="posta-bench-") as folder:
        outcomes, used = await measure(Path(folder))
    return Report(
        name=name,
        date=datetime.now(UTC).isoformat(timespec="minutes"),
        size=size,
        machine=before,
        versions={**versions(), **used},
        outcomes=outcomes,
    )
