"""The benchmark runs end to end: every contender handles every record, and the form is the agreed one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from posta_cli.commands.bench import PEERS

pytestmark = pytest.mark.chaos

_ROOT = Path(__file__).parents[2]
_RECORDS = 1_000
_POSTA = str(Path(sys.executable).with_name("posta"))


def bench(*arguments: str) -> dict[str, Any]:
    argv = [_POSTA, "bench", "engine", "--quick", "--json", "--rounds", "1", "--records", str(_RECORDS)]
    done = subprocess.run(
        [*argv, *arguments], cwd=_ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    print(done.stderr)
    assert done.returncode == 0, done.stderr
    form: dict[str, Any] = json.loads(done.stdout)
    return form


def test_every_contender_handles_every_record():
    form = bench("--scenario", "instant", "--scenario", "decoded", "--scenario", "flaky")
    assert {"name", "machine", "versions", "scenarios"} <= form.keys()
    assert form["versions"]["parallel-consumer"]
    for scenario in form["scenarios"]:
        assert {"name", "unit", "ours", "peers", "ratio", "target", "met"} <= scenario.keys()
        for name, figures in {"posta": scenario["ours"], **scenario["peers"]}.items():
            assert figures["complete"], (scenario["name"], name)
            assert figures["handled"] == [_RECORDS], (scenario["name"], name)
            assert figures["median"] > 0
            assert figures["cpu_s_per_1000"]["median"] > 0
            assert figures["peak_mib"]["median"] > 10
    (instant, _, _) = form["scenarios"]
    absent = {name for name in instant["left_out"] if name.startswith("faststream")}
    assert bool(absent) is not (_ROOT / PEERS).exists(), "FastStream runs wherever `make bench` put it"
    assert "parallel-consumer" in instant["peers"]


def test_no_waiting_record_is_handled_early():
    (lanes,) = bench("--scenario", "lanes")["scenarios"]
    assert lanes["ours"]["complete"]
    assert lanes["notes"]["early"]["max"] == 0


def test_a_start_and_a_peak_of_memory_are_measured():
    form = bench("--scenario", "start", "--scenario", "backlog")
    start, backlog = form["scenarios"]
    assert 0 < start["ours"]["median"] < 60
    assert backlog["peers"]["idle"]["handled"] == [0]
    assert 10 < backlog["peers"]["idle"]["median"] <= backlog["ours"]["median"] * 1.2
