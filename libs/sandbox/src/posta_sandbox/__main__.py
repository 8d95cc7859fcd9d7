"""Run the sandbox: ``python -m posta_sandbox``, settings from POSTA_SANDBOX__..."""

import logging
import signal
import socket
import sys

import uvicorn
from pydantic import ValidationError

from posta_sandbox.app import create_app
from posta_sandbox.connections import Connections
from posta_sandbox.settings import SandboxSettings


class _Announced(uvicorn.Server):
    """Says where it listens, for those who run it by hand."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                print(f"sandbox: http://{host}:{port}", flush=True)


def main() -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code (2 for a configuration error)."""
    try:
        settings = SandboxSettings()
    except ValidationError as exc:
        for error in exc.errors():
            name = "__".join(str(part) for part in error["loc"]).upper()
            print(f"sandbox: POSTA_SANDBOX__{name}: {error['msg']}", file=sys.stderr)
        return 2
    # the client's log lines hold full addresses, and those hold secrets
    logging.getLogger("httpx").setLevel(logging.WARNING)
    connections = Connections()
    config = uvicorn.Config(
        create_app(settings, connections=connections),
        host=settings.host,
        port=settings.port,
        http=connections.protocol(),
        loop="asyncio",
        ws="none",
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    server = _Announced(config)
    # uvicorn raises the signal it stopped for again when all is closed: that must not kill us
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
