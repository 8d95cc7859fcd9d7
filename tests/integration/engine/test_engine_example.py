"""The documentation's example is a program that runs and does what the page says."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "first_engine.py"


async def test_the_first_engine_greets_in_order_and_makes_the_nameless_a_dead_letter(
    kafka, topic_prefix, tmp_path
):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE),
        cwd=tmp_path,
        env={
            **os.environ,
            "POSTA_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "POSTA_KAFKA__TOPIC_PREFIX": topic_prefix,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    greeted = [line for line in output.decode().splitlines() if line.startswith("Hello")]
    assert "Hello Bo of Bell! (attempt 2)" in greeted
    of = {
        family: [line.split()[1] for line in greeted if f"of {family}" in line]
        for family in ("Abbott", "Bell", "Cole")
    }
    assert of == {"Abbott": ["Al", "Ann"], "Bell": ["Bo", "Bea"], "Cole": ["Cy"]}
    assert greeted.index("Hello Bo of Bell! (attempt 2)") > 1, "nobody else waited for Bo"
