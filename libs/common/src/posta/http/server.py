"""Runs an ASGI application with uvicorn inside a service's own loop and lifetime."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import cast

import uvicorn
from fastapi import FastAPI

from posta.errors import ConfigurationError
from posta.settings import HttpSettings
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_STOP_S = 5


class _Server(uvicorn.Server):
    """Leaves the signals to the service, which drains more than HTTP."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(
    app: FastAPI, settings: HttpSettings, *, connection: Callable[..., asyncio.Protocol] | None = None
) -> AsyncIterator[int]:
    """Serve ``app`` while the block runs, and yield the port it listens on.

    ``connection`` makes what each connection is handled by, if that is not uvicorn's own protocol.

    Requests under way at the end get 5 s. Raises ``ConfigurationError`` when the address is taken.
    """
    listener = _listen(settings)
    port: int = listener.getsockname()[1]
    app.state.metrics_enabled = settings.metrics_enabled
    server = _Server(
        uvicorn.Config(
            app,
            http="auto" if connection is None else cast("type[asyncio.Protocol]", connection),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_STOP_S,
            lifespan="off",
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.005)
        if task.done():
            await task
        log.info("http_listening", host=settings.host, port=port)
        yield port
    finally:
        server.should_exit = True
        await asyncio.wait([task], timeout=_STOP_S + 1)
        listener.close()


def _listen(settings: HttpSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as exc:
        listener.close()
        raise ConfigurationError(
            f"POSTA_HTTP__HOST, POSTA_HTTP__PORT: cannot listen on {settings.host}:"
            f"{settings.port}: {exc.strerror}. Choose a free port or stop what uses it."
        ) from None
    return listener
