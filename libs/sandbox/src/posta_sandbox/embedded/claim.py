"""A home belongs to one running server: the pid file that says whose it is.

The file names the server and the program that started it, each by pid and start time, because
pids are given out again. If the owner still runs, the home is in use. If only the server runs,
its owner was killed where the kernel could not end it too: it is a leftover, and is ended.
"""

import asyncio
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from posta_sandbox.embedded.errors import HomeUnusable

_SAME_START_S = 1.0
_LEFTOVER_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Running:
    """A process by pid and start time (seconds since the epoch)."""

    pid: int
    started_at_s: float

    @classmethod
    def of(cls, pid: int) -> "Running":
        """Describe a live process. Raises psutil.NoSuchProcess."""
        return cls(pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """Return the process if it still runs and is the same one."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started_at_s) > _SAME_START_S:
                return None
            alive = process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if alive else None


class Claim:
    """The pid file of one home."""

    def __init__(self, home: Path) -> None:
        self._path = home / "server.pid"

    async def take(self) -> None:
        """End a leftover server. Raises HomeUnusable when a living program owns the home."""
        owner, server = self._read()
        if server is None or (process := server.process()) is None:
            return
        if owner is not None and owner.process() is not None:
            raise HomeUnusable(
                f"{self._path.parent} is in use: process {owner.pid} runs server {server.pid} "
                "there; stop it, or choose another home"
            )
        await _end(process)

    def note(self, pid: int) -> None:
        """Write down that this program runs server `pid`; one that has just ended is not noted."""
        try:
            note = {"owner": asdict(Running.of(os.getpid())), "server": asdict(Running.of(pid))}
        except psutil.NoSuchProcess:
            return
        self._path.write_text(json.dumps(note), encoding="utf-8")

    def release(self) -> None:
        """Forget the server."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> tuple[Running | None, Running | None]:
        try:
            note = json.loads(self._path.read_text(encoding="utf-8"))
            return Running(**note["owner"]), Running(**note["server"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None, None


async def _end(process: psutil.Process) -> None:
    """Ask a leftover to end, then kill it; it is no child of ours, so its end can only be polled."""
    try:
        process.terminate()
        await asyncio.to_thread(psutil.wait_procs, [process], timeout=_LEFTOVER_GRACE_S)
        process.kill()
        await asyncio.to_thread(psutil.wait_procs, [process], timeout=_LEFTOVER_GRACE_S)
    except psutil.NoSuchProcess:
        return
