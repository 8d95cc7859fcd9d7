"""A process whose event loop is blocked ends by itself, and says where it was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def test_a_blocked_loop_ends_the_process_with_code_70_and_the_place_in_its_log():
    env = os.environ | {"POSTA_WATCHDOG__STALL_S": "1", "POSTA_WATCHDOG__EXIT_AFTER_S": "2"}
    program = Path(__file__).with_name("blocked_service.py")
    ended = subprocess.run(
        [sys.executable, str(program)], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 70, ended.stderr
    lines = ended.stdout.splitlines()
    assert sum('"event_loop_stalled"' in line for line in lines) == 1
    assert "blocked_service.py" in ended.stdout
