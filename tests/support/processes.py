"""Runs one Posta service as its own process, the way a container does: environment variables only."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

REPOSITORY = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServiceProcess:
    """A started service; ``url`` is its HTTP address, ``log`` the file with all it printed."""

    def __init__(self, module: str, env: Mapping[str, str], log: Path) -> None:
        self.module = module
        self.log = log
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("POSTA_", "OTEL_"))}
        self._env = {
            **clean,
            "POSTA_HTTP__HOST": "127.0.0.1",
            "POSTA_HTTP__PORT": str(self.port),
            "POSTA_CONFIG_DIR": str(REPOSITORY / "deploy" / "config"),
            **env,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> "ServiceProcess":
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module], env=self._env, stdout=output, stderr=output
            )
        return self

    def wait_ready(self, timeout_s: float = 30) -> "ServiceProcess":
        deadline = time.monotonic() + timeout_s
        last = "no answer yet"
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                raise AssertionError(f"{self.module} exited {self._process.returncode}:\n{self.tail()}")
            try:
                answer = httpx.get(f"{self.url}/health/ready", timeout=2)
                if answer.status_code == 200:
                    return self
                last = answer.text
            except httpx.TransportError as exc:
                last = repr(exc)
            time.sleep(0.05)
        raise AssertionError(f"{self.module} not ready in {timeout_s} s: {last}\n{self.tail()}")

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> int:
        """kill -9, as a crash."""
        self.signal(signal.SIGKILL)
        return self.wait(10)

    def terminate(self, timeout_s: float = 20) -> int:
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float) -> int:
        assert self._process is not None
        return self._process.wait(timeout_s)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@contextmanager
def service(module: str, env: Mapping[str, str], log: Path) -> Iterator[ServiceProcess]:
    """The service, ready, for the block; killed afterwards whatever happened."""
    process = ServiceProcess(module, env, log).start()
    try:
        yield process.wait_ready()
    finally:
        process.close()
