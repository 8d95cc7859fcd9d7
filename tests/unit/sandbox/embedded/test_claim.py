import json
import os
import subprocess
import sys

import psutil
import pytest

from posta_sandbox.embedded.claim import Claim
from posta_sandbox.embedded.errors import HomeUnusable

NOBODY = {"pid": 2**22 - 1, "started_at_s": 1.0}


@pytest.fixture
def process():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def note(home, owner, server):
    (home / "server.pid").write_text(json.dumps({"owner": owner, "server": server}))


def described(pid):
    return {"pid": pid, "started_at_s": psutil.Process(pid).create_time()}


async def test_a_fresh_home_is_free(tmp_path):
    await Claim(tmp_path).take()


async def test_a_home_whose_owner_lives_is_in_use(tmp_path, process):
    Claim(tmp_path).note(process.pid)
    with pytest.raises(HomeUnusable, match=f"in use: process {os.getpid()} runs server"):
        await Claim(tmp_path).take()
    assert process.poll() is None


async def test_a_released_home_is_free(tmp_path, process):
    claim = Claim(tmp_path)
    claim.note(process.pid)
    claim.release()
    await Claim(tmp_path).take()


async def test_a_server_whose_owner_is_gone_is_ended(tmp_path, process):
    note(tmp_path, NOBODY, described(process.pid))
    await Claim(tmp_path).take()
    assert not psutil.pid_exists(process.pid)


async def test_another_process_with_the_noted_pid_is_left_alone(tmp_path, process):
    note(tmp_path, NOBODY, {"pid": process.pid, "started_at_s": 1.0})
    await Claim(tmp_path).take()
    assert process.poll() is None


async def test_a_server_that_is_gone_frees_the_home_although_its_owner_lives(tmp_path):
    note(tmp_path, described(os.getpid()), NOBODY)
    await Claim(tmp_path).take()


@pytest.mark.parametrize("content", ["", "{}", "12", '{"owner": {}, "server": {"pid": 1}}'])
async def test_a_damaged_note_is_ignored(tmp_path, content):
    (tmp_path / "server.pid").write_text(content)
    await Claim(tmp_path).take()
