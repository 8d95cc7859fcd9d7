"""One Python program as a child process: its environment, its log file, its end."""

import sys
from collections.abc import Mapping
from pathlib import Path

from posta_cli.supervisor.unit import LaunchFailedError
from posta_sandbox.embedded.child import Child, Command


class ServiceProcess:
    """A running `python -m module`.

    The child has a process group of its own, so that a terminal's Ctrl-C reaches the supervisor
    alone, which decides the order in which processes end; the kernel kills it when the supervisor
    dies (see `posta_sandbox.embedded.child`).
    """

    def __init__(self, child: Child, *, grace_s: float) -> None:
        self._child = child
        self._grace_s = grace_s
        self._pid = child.pid or 0

    @property
    def pid(self) -> int:
        """Its process id, also after its end."""
        return self._pid

    async def wait(self) -> int:
        """Return its exit code once it has ended; negative is the signal that ended it."""
        return await self._child.wait()

    async def stop(self) -> None:
        """Send SIGTERM, and SIGKILL when its grace is over; return when it has ended."""
        await self._child.stop(self._grace_s)

    def kill(self) -> None:
        """Kill it and what it started, at once."""
        self._child.kill()


def launch(module: str, *, env: Mapping[str, str], log: Path, grace_s: float) -> ServiceProcess:
    """Start `python -m module` with exactly this environment.

    Raises LaunchFailedError when the log cannot be opened or no process can be made.
    """
    child = Child(Command(argv=[sys.executable, "-m", module], log=log, cwd=Path.cwd(), env=env))
    try:
        log.touch(mode=0o600)
        child.start()
    except OSError as exc:
        raise LaunchFailedError(
            f"`python -m {module}` cannot be started: {exc.strerror or exc} ({exc.filename or log})"
        ) from exc
    return ServiceProcess(child, grace_s=grace_s)
