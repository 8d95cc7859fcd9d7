"""The report of the answering benchmark, measured on an embedded Kafka in a temporary folder."""

import logging
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from posta_cli.bench.answering.backlog import Size
from posta_cli.bench.answering.run import AnsweringBench
from posta_cli.bench.machine import machine, versions
from posta_cli.bench.report import Report
from posta_cli.bench.run import Say


async def measured(size: Size, *, questions: int, say: Say) -> Report:
    """Measure and report."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    before = machine()
    with tempfile.TemporaryDirectory(prefix="posta-bench-") as name:
        bench = AnsweringBench(folder=Path(name), size=size, questions=questions, say=say)
        outcomes = await bench.measure()
    return Report(
        name="llm",
        date=datetime.now(UTC).isoformat(timespec="minutes"),
        size=f"{size.mails} mails, a minute takes {size.minute_s:g} s; overhead: {questions} questions",
        machine=before,
        versions=versions(),
        outcomes=outcomes,
    )
