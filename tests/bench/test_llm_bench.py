"""`posta bench llm` runs end to end: both answer the same mails, and what it says is in the agreed form."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.chaos
_ROOT = Path(__file__).parents[2]
_POSTA = str(Path(sys.executable).with_name("posta"))
_MAILS = 60


def test_every_mail_is_answered_under_each_allowance_beside_naive_workers():
    argv = [_POSTA, "bench", "llm", "--quick", "--json", "--mails", str(_MAILS), "--minute", "2"]
    done = subprocess.run(argv, cwd=_ROOT, capture_output=True, text=True, timeout=600, check=False)
    print(done.stderr)
    assert done.returncode == 0, done.stderr
    found = {scenario["name"]: scenario for scenario in json.loads(done.stdout)["scenarios"]}
    for name in ("8rpm", "30rpm-6000tpm"):
        speed, tokens, refused = (found[f"{name}{part}"] for part in ("", "-tokens", "-refused"))
        assert speed["ours"]["complete"]
        assert speed["ours"]["handled"] == [_MAILS]
        assert 0 < speed["peers"]["naive"]["handled"][0] <= _MAILS
        assert 0 < tokens["ours"]["median"] < tokens["peers"]["naive"]["median"]
        assert refused["peers"]["naive"]["median"] > 0, "the naive workers met the limit"
    assert found["overhead"]["ours"]["median"] > 0
    assert found["overhead"]["notes"]["processor time per question, ms"]["max"] > 0
