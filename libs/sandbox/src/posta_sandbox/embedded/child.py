"""A supervised child process: a group of its own, a log file, an end that is bounded.

    new --start--> running --exit, or stop: stop_signal, then SIGKILL--> ended

It is bound to no event loop, so a test session may start it in one and stop it in another.

How it dies with its parent: on Linux the kernel sends `death_signal` when the *thread* that
started the child ends, however that came about. Worker threads end early, so all children are
started by one thread that lives as long as the process. Other systems (macOS) have no such
signal: there a parent that is killed leaves its children running, and the next start of the
same home ends them by the note in their pid file (`claim.py`).
"""

import asyncio
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_LAUNCH = Path(__file__).with_name("launch.py")
_POLL_S = 0.02
_IDLE_POLL_S = 0.1
KILL_WAIT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The unprivileged account a child runs under when its parent is root."""

    uid: int
    gid: int
    reach: tuple[Path, ...] = ()
    """Folders it must be able to enter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run and how it should end."""

    argv: Sequence[str]
    """Absolute path of the program, then its arguments."""
    log: Path
    """Standard output and error are appended here."""
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    """The child's whole environment: nothing of the parent's is passed on by itself."""
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends when the parent is gone."""
    account: Account | None = None


class Child:
    """One process, from its start to its exit code."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """The exit code (negative: ended by that signal), None while it runs or before it ran."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start the process. Raises OSError when the log or the program cannot be opened."""
        if self.pid is not None:
            raise RuntimeError("this child runs already")
        self._process = _spawner().run(self._command)

    def signal(self, sig: int) -> None:
        """Send a signal to the process alone; nothing happens when it has ended."""
        if self._process is not None:
            self._process.send_signal(sig)

    async def wait(self) -> int:
        """Return the exit code once the process has ended. Raises RuntimeError if never started."""
        if self._process is None:
            raise RuntimeError("this child was never started")
        # Polled: an asyncio child watcher would tie the process to one loop.
        while (code := self._process.poll()) is None:  # noqa: ASYNC110
            await asyncio.sleep(_IDLE_POLL_S)
        return code

    async def stop(self, timeout_s: float = 10.0) -> int | None:
        """Ask it to end, after `timeout_s` seconds kill its group; return the exit code."""
        if self._process is None:
            return None
        self.signal(self._command.stop_signal)
        self.signal(signal.SIGCONT)  # a stopped process would not hear the request
        code = await self._ended_within(timeout_s)
        if code is None:
            self.kill()
            code = await self._ended_within(KILL_WAIT_S)
        return code

    def kill(self) -> None:
        """End the process and its group at once."""
        if self.pid is not None:
            os.killpg(self.pid, signal.SIGKILL)

    async def _ended_within(self, timeout_s: float) -> int | None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while (code := self.exit_code) is None and loop.time() < deadline:  # noqa: ASYNC110  # as above
            await asyncio.sleep(_POLL_S)
        return code


def log_tail(path: Path, lines: int = 20, max_bytes: int = 16_384) -> str:
    """Return the last lines of a log, for an error message."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - max_bytes))
            text = log.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"


class _Spawner:
    """The one thread that starts every child, alive until the process ends."""

    def __init__(self) -> None:
        self._orders: queue.Queue[tuple[Command, Future[subprocess.Popen[bytes]]]] = queue.Queue()
        threading.Thread(target=self._work, name="posta-spawner", daemon=True).start()

    def run(self, command: Command) -> subprocess.Popen[bytes]:
        """Start the process and return it; errors of the start come back to the caller."""
        done: Future[subprocess.Popen[bytes]] = Future()
        self._orders.put((command, done))
        return done.result()

    def _work(self) -> None:
        while True:
            command, done = self._orders.get()
            try:
                done.set_result(_open(command))
            except Exception as exc:  # noqa: BLE001  # handed to the caller, who waits for it
                done.set_exception(exc)
            del command, done


@cache
def _spawner_of(pid: int) -> _Spawner:
    """Return the spawner of the process `pid`: threads do not survive a fork."""
    del pid
    return _Spawner()


def _spawner() -> _Spawner:
    return _spawner_of(os.getpid())


def _open(command: Command) -> subprocess.Popen[bytes]:
    account = command.account
    plan = {
        "parent": os.getpid(),
        "death_signal": int(command.death_signal),
        "account": [account.uid, account.gid] if account else None,
        "reach": [str(folder) for folder in account.reach] if account else [],
    }
    with command.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603  # our own programs, no shell
            [sys.executable, "-I", "-S", str(_LAUNCH), json.dumps(plan), *command.argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=command.cwd,
            env=dict(command.env),
            start_new_session=True,
        )
