"""One server under test: a process on a core of its own, what it used, and its end."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from posta_cli.errors import CommandError

_READY_S = 60.0
_STOP_S = 20.0
_POLL_S = 0.05
_OK = 200
_TICKS = os.sysconf("SC_CLK_TCK")
_TAIL_BYTES = 3000


@dataclass(frozen=True, slots=True)
class Served:
    """A running server."""

    pid: int
    port: int

    def cpu_s(self) -> float:
        """Processor time so far, user and system, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def peak_mib(self) -> float:
        """The most that was resident."""
        lines = Path(f"/proc/{self.pid}/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM:"))


@asynccontextmanager
async def served(
    argv: Sequence[str], env: Mapping[str, str], *, port: int, core: int | None, output: Path
) -> AsyncIterator[Served]:
    """Start the server on ``core``, wait until it is ready, and end it after the block."""
    with output.open("wb") as log:
        process = subprocess.Popen(argv, env=dict(env), stdout=log, stderr=log)  # noqa: ASYNC220, S603 - returns at once; our own programs
    try:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        await _ready(process, port, output)
        yield Served(process.pid, port)
    finally:
        await asyncio.to_thread(_end, process)


async def _ready(process: "subprocess.Popen[bytes]", port: int, output: Path) -> None:
    deadline = time.monotonic() + _READY_S
    async with httpx.AsyncClient(trust_env=False) as http:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if (await http.get(f"http://127.0.0.1:{port}/health/ready")).status_code == _OK:
                    return
            except httpx.TransportError:
                pass  # not there yet
            await asyncio.sleep(_POLL_S)
    raise CommandError(f"A server did not become ready; it wrote:\n{_tail(output)}", "See the lines above.")


def _tail(output: Path) -> str:
    return output.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
