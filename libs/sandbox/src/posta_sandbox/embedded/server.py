"""What the embedded servers have in common: prepare, start, wait until ready, stop.

    stopped --start--> preparing --> starting --answers--> ready --stop/exit--> stopped
                           ^            |
                           +--ended-----+   (up to `ATTEMPTS` times)

Nothing is tied to an event loop: a server started in one may be stopped in another.
"""

import asyncio
import contextlib
import os
import shutil
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from posta_sandbox.embedded.child import Child, Command, log_tail
from posta_sandbox.embedded.claim import Claim
from posta_sandbox.embedded.errors import HomeUnusable, StartFailed, home_errors
from posta_sandbox.embedded.ports import PortBook

ATTEMPTS = 3
_READY_POLL_S = 0.03
_MAX_LOG_BYTES = 10_000_000
_ABORT_WAIT_S = 2.0
_MIN_FREE_BYTES = 64 * 2**20


class EmbeddedServer(ABC):
    """One real server as a child of this process, with all its state below `home`."""

    name: str
    start_timeout_s: float = 60.0

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.log = self.home / f"{self.name}.log"
        self.ports = PortBook(self.home)
        self._claim = Claim(self.home)
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """The process id while the server runs."""
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Start the server and return when it answers; nothing happens when it runs already.

        Raises EmbeddedError (see `errors.py`) when it cannot run.
        """
        if self.pid is not None:
            return
        with home_errors(self.home):
            self._open_home()
            await self._claim.take()
            for attempt in range(1, ATTEMPTS + 1):
                await self._prepare(attempt)
                if await self._attempt():
                    return
                if attempt < ATTEMPTS:
                    await asyncio.sleep(0.3 * attempt)
            self._require_space()
        raise StartFailed(
            f"{self.name} did not start in {ATTEMPTS} attempts; the end of {self.log}:\n{log_tail(self.log)}"
        )

    async def stop(self, timeout_s: float = 10) -> None:
        """End the server: asked first, killed after `timeout_s` seconds."""
        if self._child is not None:
            await self._child.stop(timeout_s)
            self._claim.release()

    def signal(self, sig: int) -> None:
        """Send a signal to the server, as a test of faults does."""
        if self._child is not None:
            self._child.signal(sig)

    async def wait(self) -> int:
        """Return the exit code once the server has ended (negative: by that signal)."""
        if self._child is None:
            raise RuntimeError(f"{self.name} was never started")
        return await self._child.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @abstractmethod
    async def _prepare(self, attempt: int) -> None:
        """Choose ports and write what the server needs below `home`, before each attempt."""

    @abstractmethod
    def _command(self) -> Command:
        """Return what to run."""

    @abstractmethod
    async def _answers(self) -> bool:
        """Whether the server does its work now; False while it is starting."""

    def _open_home(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self._require_space()
        if self.log.exists() and self.log.stat().st_size > _MAX_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))

    def _require_space(self) -> None:
        """Servers on a full disk fail in a dozen ways, so look first; raises HomeUnusable."""
        free = shutil.disk_usage(self.home).free
        if free < _MIN_FREE_BYTES:
            raise HomeUnusable(
                f"the disk of the state folder {self.home} is full ({free // 2**20} MiB left, "
                f"{_MIN_FREE_BYTES // 2**20} MiB needed): free some space"
            )

    async def _attempt(self) -> bool:
        child = Child(self._command())
        child.start()
        self._child = child
        try:
            self._note(child)
            if await self._ready(child):
                return True
        except BaseException:
            child.kill()
            raise
        await child.stop(_ABORT_WAIT_S)
        return False

    def _note(self, child: Child) -> None:
        if (pid := child.pid) is not None:
            self._claim.note(pid)

    async def _ready(self, child: Child) -> bool:
        deadline = time.monotonic() + self.start_timeout_s
        while child.exit_code is None and time.monotonic() < deadline:
            if await self._answers():
                return True
            await asyncio.sleep(_READY_POLL_S)
        return False


async def listens(host: str, port: int) -> bool:
    """Whether something accepts TCP connections there."""
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # refused, or timed out: TimeoutError is one
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def plain_environment(home: Path) -> dict[str, str]:
    """Return the small environment children get: none of the parent's settings or secrets."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }
