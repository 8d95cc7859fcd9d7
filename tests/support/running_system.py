"""A whole Posta system in a home of its own, run as a person runs it: through the command."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil

REPOSITORY = Path(__file__).resolve().parents[2]


class RunningSystem:
    """`posta up --detach` in `home`; `status` is its document, fresh at each look."""

    def __init__(self, home: Path, env: Mapping[str, str] | None = None) -> None:
        self.home = home
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("POSTA_", "OTEL_"))}
        if cache := os.environ.get("POSTA_CACHE"):
            clean["POSTA_CACHE"] = cache
        # Tests ask far more often than a person may.
        clean["POSTA_GOVERNOR__ENABLED"] = "false"
        self.env = {**clean, "POSTA_HOME": str(home), **(env or {})}

    def posta(self, *arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, in the home's parent, where no `.env` lies."""
        return subprocess.run(
            [sys.executable, "-m", "posta_cli", *arguments],
            env=self.env,
            cwd=self.home.parent,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def up(self, *, timeout_s: float = 300) -> str:
        """Start it and return what it said; fails with that when it does not become ready."""
        started = self.posta("up", "--detach", timeout_s=timeout_s)
        assert started.returncode == 0, f"{started.stdout}\n{started.stderr}"
        return started.stdout

    def down(self) -> None:
        """Stop it if it runs; the home stays."""
        stopped = self.posta("down")
        assert stopped.returncode in {0, 3}, stopped.stderr

    @property
    def status(self) -> dict[str, Any]:
        """The status document."""
        answer = self.posta("status", "--json")
        assert answer.returncode == 0, answer.stderr
        document: dict[str, Any] = json.loads(answer.stdout)
        return document

    def wait_until(self, holds: Callable[[dict[str, Any]], bool], timeout_s: float = 60) -> dict[str, Any]:
        """Return the first status document for which `holds`."""
        deadline = time.monotonic() + timeout_s
        while not holds(status := self.status):
            assert time.monotonic() < deadline, f"the system never got there: {status}"
            time.sleep(0.2)
        return status

    def processes(self) -> list[str]:
        """Return the command line of every process that works for this home."""
        found = []
        for process in psutil.process_iter():
            try:
                command = process.cmdline()
                mine = str(self.home) in " ".join([*command, process.environ().get("POSTA_HOME", "")])
            except psutil.Error:
                continue
            if mine and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(command))
        return found


def ask_on_discord(status: Mapping[str, Any], question: str, **fields: Any) -> str:
    """Press the button as a person does; return the interaction's id."""
    request = {"command": "ask", "options": {"question": question}, **fields}
    answer = httpx.post(f"{status['sandbox']['url']}/api/interactions", json=request, timeout=10)
    answer.raise_for_status()
    return str(answer.json()["id"])


def answer_on_discord(
    status: Mapping[str, Any], interaction_id: str, timeout_s: float = 30
) -> dict[str, Any]:
    """Return the interaction once its answer is there."""
    address = f"{status['sandbox']['url']}/api/interactions/{interaction_id}"
    deadline = time.monotonic() + timeout_s
    while True:
        interaction: dict[str, Any] = httpx.get(address, timeout=10).json()
        if interaction["edits"]:
            return interaction
        assert time.monotonic() < deadline, f"never answered: {interaction}"
        time.sleep(0.1)


def publish(status: Mapping[str, Any], event: Mapping[str, Any], **headers: str) -> str:
    """Publish an event as a script does; return its id."""
    answer = httpx.post(
        f"{status['services']['ingress']['url']}/v1/events",
        json=dict(event),
        headers={"authorization": f"Bearer {status['credentials']['scripts_key']}", **headers},
        timeout=10,
    )
    answer.raise_for_status()
    return str(answer.json()["id"])
