"""Systems under a real supervisor whose five services are small stand-ins that can misbehave."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from posta_cli import contact
from posta_cli.errors import CommandError
from posta_cli.home import Home

MODULES = ("ingress", "llm_worker", "email_poller", "notifier", "dlq_admin")

STAND_IN = """
import http.server, json, os, pathlib, signal, sys, threading, time

def event(name, **fields):
    print(json.dumps({"event": name, "level": "info", **fields}), flush=True)

def main(name):
    folder = pathlib.Path(os.environ["STAND_IN_ORDERS"])
    def ordered(what):
        return (folder / f"{name}.{what}").exists()
    if ordered("refuse"):
        event("configuration_invalid", file="rules.yaml", reason="no such command")
        sys.exit(78)
    if ordered("crash"):
        event("crashed_on_purpose")
        sys.exit(1)
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(503 if ordered("unready") else 200)
            self.end_headers()
        def log_message(self, *_):
            pass
    server = http.server.HTTPServer(("127.0.0.1", int(os.environ["POSTA_HTTP__PORT"])), Handler)
    def leave(*_):
        if ordered("deaf"):
            return
        (folder / f"{name}.left").write_text(str(time.time()))
        os._exit(0)
    signal.signal(signal.SIGTERM, leave)
    event("started", pid=os.getpid())
    server.serve_forever()
"""


class StandInSystem:
    """One home, and the commands a person would give it."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.home = folder / "home"
        self.orders = folder / "orders"
        self._modules = folder / "modules"
        self.orders.mkdir()
        self._modules.mkdir()
        (self._modules / "stand_in.py").write_text(STAND_IN)
        for module in MODULES:
            (self._modules / f"{module}.py").write_text(
                f"import stand_in\nif __name__ == '__main__':\n    stand_in.main('{module}')\n"
            )
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("POSTA_", "OTEL_"))}
        self.env = {
            **clean,
            "POSTA_HOME": str(self.home),
            "PYTHONPATH": str(self._modules),
            "STAND_IN_ORDERS": str(self.orders),
            "POSTA_SHUTDOWN__GRACE_S": "1",
            "POSTA_MAIL__IMAP_HOST": "127.0.0.1",
            **env,
        }
        self.supervisor: subprocess.Popen[str] | None = None
        self.cwd = folder

    def order(self, service: str, what: str) -> Path:
        """Make a stand-in misbehave from now on."""
        path = self.orders / f"{service}.{what}"
        path.touch()
        return path

    def posta(self, *arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "posta_cli", *arguments],
            env=self.env,
            cwd=self.cwd,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def up(self, *, until_ready: bool = True) -> "StandInSystem":
        """Start `posta up --no-sandbox` in the foreground of another process."""
        self.supervisor = subprocess.Popen(
            [sys.executable, "-m", "posta_cli", "up", "--no-sandbox"],
            env=self.env,
            cwd=self.cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if until_ready:
            self.wait_until(lambda status: status["ready"])
        return self

    def status(self) -> dict[str, Any] | None:
        """Return the status document, None while nothing answers (as the command asks for it)."""
        try:
            return contact.ask(Home(self.home), "status")["status"]
        except CommandError:
            return None

    def wait_until(self, holds: Callable[[dict[str, Any]], bool], timeout_s: float = 45) -> dict[str, Any]:
        """Return the first status document for which `holds`."""
        deadline = time.monotonic() + timeout_s
        status = None
        while time.monotonic() < deadline:
            status = self.status()
            if status is not None and holds(status):
                return status
            time.sleep(0.1)
        pytest.fail(f"the system never got there; last status: {status}")

    def ended(self, timeout_s: float = 45) -> tuple[int, str]:
        """Wait for the supervisor's end; return its exit code and all it wrote."""
        assert self.supervisor is not None
        output, _ = self.supervisor.communicate(timeout=timeout_s)
        return self.supervisor.returncode, output

    def processes(self) -> list[psutil.Process]:
        """Return every process that works for this home."""
        found = []
        for process in psutil.process_iter():
            try:
                mine = process.environ().get("POSTA_HOME") == str(self.home)
            except psutil.Error:
                continue
            if mine and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def close(self) -> None:
        """Leave nothing behind, however the test went."""
        for process in self.processes():
            process.send_signal(signal.SIGKILL)
        if self.supervisor is not None:
            self.supervisor.communicate()


@pytest.fixture
def system(tmp_path: Path, kafka: Any, database_url: str, topic_prefix: str) -> Iterator[StandInSystem]:
    """A system on the session's Kafka and PostgreSQL, not started yet."""
    made = StandInSystem(
        tmp_path,
        {
            "POSTA_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "POSTA_KAFKA__TOPIC_PREFIX": topic_prefix,
            "POSTA_DATABASE__URL": database_url,
        },
    )
    yield made
    made.close()
