"""`posta bench ingress` runs end to end: all that is sent is acknowledged, in the agreed form."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.chaos
_ROOT = Path(__file__).parents[2]
_POSTA = str(Path(sys.executable).with_name("posta"))
_REQUESTS = 400


def test_every_request_is_acknowledged_by_both_with_kafka_and_without():
    argv = [_POSTA, "bench", "ingress", "--quick", "--json", "--rounds", "1", "--requests", str(_REQUESTS)]
    done = subprocess.run(argv, cwd=_ROOT, capture_output=True, text=True, timeout=600, check=False)
    print(done.stderr)
    assert done.returncode == 0, done.stderr
    form = json.loads(done.stdout)
    assert {"name", "machine", "versions", "scenarios"} <= form.keys()
    found = {scenario["name"]: scenario for scenario in form["scenarios"]}
    assert set(found) == {"acks-all", "p99", "spool"}
    for name in ("acks-all", "spool"):
        scenario = found[name]
        for figures in (scenario["ours"], *scenario["peers"].values()):
            assert figures["complete"]
            assert figures["handled"] == [_REQUESTS]
            assert figures["median"] > 0
            assert figures["peak_mib"]["median"] > 10
    assert found["p99"]["ours"]["complete"]
