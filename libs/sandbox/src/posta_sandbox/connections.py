"""Open HTTP connections by their peer's address, so that a fault can cut one off."""

import asyncio
import socket
import struct
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

Peer = tuple[str, int]


class Connections:
    """The transports uvicorn holds open; a fault looks its request's one up by the client address."""

    def __init__(self) -> None:
        self._transports: dict[Peer, asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """Return the protocol class to run uvicorn with (``Config(http=...)``)."""
        transports = self._transports

        class TrackedProtocol(H11Protocol):
            """Uvicorn's own protocol, remembered while it is connected."""

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
                super().connection_made(transport)
                if self.client is not None:
                    transports[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                if self.client is not None:
                    transports.pop(self.client, None)
                super().connection_lost(exc)

        return TrackedProtocol

    async def cut(self, scope: dict[str, Any], *, reset: bool) -> None:
        """End the connection of a request now; with reset, by TCP RST instead of FIN.

        Raises ConnectionResetError when the request came without a socket (in-process tests).
        """
        client = scope.get("client")
        transport = self._transports.get(tuple(client)) if client else None
        if transport is None:
            raise ConnectionResetError("cut off by a sandbox fault")
        abort(transport, reset=reset)
        # uvicorn hears of it in the next turns of the loop; the application must not end before
        for _ in range(3):
            await asyncio.sleep(0)


def abort(transport: asyncio.WriteTransport, *, reset: bool) -> None:
    """Close a transport without another byte; SO_LINGER 0 makes the kernel send RST."""
    sock = transport.get_extra_info("socket")
    if reset and sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
