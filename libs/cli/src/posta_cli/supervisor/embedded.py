"""Lets a unit keep an embedded server running: its start, its end and its errors in our words."""

import signal

from posta_cli.supervisor.unit import LaunchFailedError
from posta_sandbox.embedded.errors import EmbeddedError
from posta_sandbox.embedded.server import EmbeddedServer

STOP_S = 10.0


class RunningServer:
    """An embedded server that answers."""

    def __init__(self, server: EmbeddedServer, *, grace_s: float) -> None:
        self._server = server
        self._grace_s = grace_s
        self._pid = server.pid or 0

    @property
    def pid(self) -> int:
        """Its process id, also after its end."""
        return self._pid

    async def wait(self) -> int:
        """Return its exit code once it has ended."""
        return await self._server.wait()

    async def stop(self) -> None:
        """Ask it to end, kill it when its grace is over; return when it has ended."""
        await self._server.stop(self._grace_s)

    def kill(self) -> None:
        """Kill it at once; its data survive as after a power failure."""
        self._server.signal(signal.SIGKILL)


async def launch(server: EmbeddedServer, *, grace_s: float = STOP_S) -> RunningServer:
    """Start the server; return once it answers. Raises LaunchFailedError saying why it cannot."""
    try:
        await server.start()
    except EmbeddedError as exc:
        raise LaunchFailedError(str(exc)) from exc
    return RunningServer(server, grace_s=grace_s)


async def answers() -> bool:
    """An embedded server that was launched is ready: its `start` waits for that."""
    return True
