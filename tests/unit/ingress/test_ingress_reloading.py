"""At SIGHUP all rules files are read again, or none of them counts."""

import asyncio
import os
import shutil
import signal

import pytest
from support.ingress_rig import CONFIG

from ingress.app import RulesFiles
from ingress.receivers.live import LiveReceivers, read_receivers
from ingress.settings import Settings
from posta.errors import ConfigurationError
from posta.reloading import reloading
from posta.settings import load

UPTIME = """
receivers:
  uptime: {kind: json, type: "uptime.{status}"}
"""


@pytest.fixture
def folder(tmp_path):
    for file in CONFIG.glob("*.yaml"):
        shutil.copy(file, tmp_path)
    return tmp_path


@pytest.fixture
def settings(folder, rig):
    given = {"POSTA_DISCORD__PUBLIC_KEYS": rig.caller.public_key, "POSTA_CONFIG_DIR": str(folder)}
    return load(Settings, given)


def test_receivers_are_read_again(settings, folder):
    rules = RulesFiles.read(settings)
    (folder / "receivers.yaml").write_text(UPTIME)
    rules.reload(settings)
    assert set(rules.receivers.receivers) == {"uptime"}


def test_the_secret_of_a_receiver_that_came_later_is_known(folder):
    receivers = LiveReceivers(read_receivers(folder), {"LATER": "s"})
    (folder / "receivers.yaml").write_text("receivers: {hub: {kind: github, secret: {env: LATER}}}")
    receivers.use(read_receivers(folder))
    assert receivers.secrets == {"hub": b"s"}


@pytest.mark.parametrize("wrong", ["receivers.yaml", "commands.yaml"])
def test_a_file_that_is_wrong_leaves_all_as_it_was(settings, folder, wrong):
    rules = RulesFiles.read(settings)
    before = set(rules.receivers.receivers), rules.interactions.commands
    (folder / "receivers.yaml").write_text(UPTIME)
    (folder / wrong).write_text("receivers: {x: {kind: json, type: a, destination: nowhere}}")
    with pytest.raises(ConfigurationError, match=wrong):
        rules.reload(settings)
    assert (set(rules.receivers.receivers), rules.interactions.commands) == before


async def test_a_hangup_reads_and_a_wrong_file_is_only_logged():
    seen = []

    def reload():
        seen.append(1)
        raise ConfigurationError("receivers.yaml: wrong")

    async with reloading(reload):
        os.kill(os.getpid(), signal.SIGHUP)
        await _turns()
        os.kill(os.getpid(), signal.SIGHUP)
        await _turns()
    assert len(seen) == 2


async def _turns():
    for _ in range(20):
        await asyncio.sleep(0.001)
