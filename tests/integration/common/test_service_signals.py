"""A process that is told to stop and does not come to an end: the second signal, and the grace period."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


@contextmanager
def stubborn(grace_s: str) -> Iterator[subprocess.Popen[str]]:
    """A service that has been told to stop once, and drains for ever."""
    env = os.environ | {"POSTA_SHUTDOWN__GRACE_S": grace_s}
    program = Path(__file__).with_name("stubborn_service.py")
    with subprocess.Popen(
        [sys.executable, str(program)], env=env, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            deadline = time.monotonic() + 20
            # Its handlers are not there at once: until then a signal just kills it.
            while "SigCgt" in (status := Path(f"/proc/{process.pid}/status").read_text()):
                caught = int(next(line for line in status.splitlines() if "SigCgt" in line).split()[1], 16)
                if caught >> (signal.SIGTERM - 1) & 1:
                    break
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            assert process.stdout is not None
            assert '"stopping"' in process.stdout.readline()
            yield process
        finally:
            process.kill()


def test_a_second_signal_ends_the_process_at_once():
    with stubborn("30") as process:
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 130
        assert time.monotonic() - began < 2


def test_what_is_not_drained_in_its_time_is_cut_and_said():
    with stubborn("1") as process:
        assert process.wait(timeout=10) == 1
        assert process.stdout is not None
        assert '"not_drained_in_time"' in process.stdout.read()
