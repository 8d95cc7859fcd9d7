"""A supervised child process: it ends in time, dies with its parent, and gets a clean environment."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from posta_sandbox.embedded.child import Child, Command, log_tail

pytestmark = pytest.mark.integration

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""
POLITE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("up", flush=True)
time.sleep(60)
"""


def python(folder: Path, code: str, **options) -> Command:
    return Command(argv=[sys.executable, "-c", code], log=folder / "log", cwd=folder, **options)


async def up(folder: Path) -> None:
    async with asyncio.timeout(10):
        while "up" not in log_tail(folder / "log"):  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.02)


async def test_output_and_exit_code_are_kept(tmp_path):
    child = Child(python(tmp_path, "import sys; print('out'); sys.stderr.write('err'); sys.exit(3)"))
    child.start()
    assert await child.wait() == 3
    assert child.pid is None
    assert set(log_tail(tmp_path / "log").split()) == {"out", "err"}


async def test_a_child_that_is_asked_to_stop_may_end_in_its_own_way(tmp_path):
    child = Child(python(tmp_path, POLITE))
    child.start()
    await up(tmp_path)
    assert await child.stop(timeout_s=5) == 7


async def test_a_child_that_does_not_listen_is_killed_after_the_wait(tmp_path):
    child = Child(python(tmp_path, STUBBORN))
    child.start()
    await up(tmp_path)
    began = time.monotonic()
    assert await child.stop(timeout_s=0.3) == -signal.SIGKILL
    assert 0.3 <= time.monotonic() - began < 3


async def test_a_stopped_child_still_hears_the_request_to_end(tmp_path):
    child = Child(python(tmp_path, POLITE))
    child.start()
    await up(tmp_path)
    child.signal(signal.SIGSTOP)
    assert await child.stop(timeout_s=5) == 7


async def test_stopping_twice_or_before_the_start_is_harmless(tmp_path):
    child = Child(python(tmp_path, "pass"))
    assert await child.stop() is None
    child.start()
    await child.wait()
    assert await child.stop() == 0
    child.signal(signal.SIGTERM)


async def test_nothing_of_the_parents_environment_is_passed_on(tmp_path, monkeypatch):
    monkeypatch.setenv("POSTA_LLM__API_KEY", "a secret")
    child = Child(python(tmp_path, "import os; print(sorted(os.environ))", env={"ONLY": "this"}))
    child.start()
    await child.wait()
    assert "POSTA_LLM__API_KEY" not in log_tail(tmp_path / "log")
    assert "ONLY" in log_tail(tmp_path / "log")


async def test_a_program_that_does_not_exist_ends_with_its_reason_in_the_log(tmp_path):
    child = Child(Command(argv=["/no/such/program"], log=tmp_path / "log", cwd=tmp_path))
    child.start()
    assert await child.wait() == 126
    assert "cannot start /no/such/program: " in log_tail(tmp_path / "log")


async def test_a_child_outlives_the_thread_that_asked_for_it(tmp_path):
    child = Child(python(tmp_path, POLITE))
    thread = threading.Thread(target=child.start)
    thread.start()
    thread.join()
    await up(tmp_path)
    await asyncio.sleep(0.2)
    assert child.pid is not None
    await child.stop(timeout_s=5)


def test_a_child_may_be_started_in_one_loop_and_stopped_in_another(tmp_path):
    child = Child(python(tmp_path, POLITE))

    async def begin():
        child.start()
        await up(tmp_path)

    asyncio.run(begin())
    assert asyncio.run(child.stop(timeout_s=5)) == 7


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_a_child_dies_when_its_parent_is_killed(tmp_path):
    program = f"""
import sys, time
from pathlib import Path
from posta_sandbox.embedded.child import Child, Command
child = Child(Command(argv=[sys.executable, "-c", {STUBBORN!r}], log=Path("log"), cwd=Path.cwd()))
child.start()
print(child.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    grandchild = psutil.Process(int(parent.stdout.readline()))
    asyncio.run(up(tmp_path))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs([grandchild], timeout=5)
    assert not alive


def test_the_tail_of_a_log_is_its_last_lines(tmp_path):
    log = tmp_path / "log"
    assert log_tail(log) == "(no log)"
    log.write_text("")
    assert log_tail(log) == "(the log is empty)"
    log.write_text("\n".join(str(number) for number in range(100)))
    assert log_tail(log, lines=2) == "98\n99"
