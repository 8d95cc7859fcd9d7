"""A TCP proxy before the mail server: it listens, connects on, and lets a session do the talking."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from posta_sandbox.connections import abort
from posta_sandbox.faults import Fault, Faults, Kind, Service
from posta_sandbox.ledger import Ledger

LINE_LIMIT_BYTES = 1024 * 1024
"""Longest line read; protocol lines are far shorter."""
CONNECT_TIMEOUT_S = 5.0
FLUSH_S = 0.05
"""Time for the last bytes to leave before a connection is cut."""
_BROKEN = (OSError, EOFError, ValueError)
"""What reading or writing a broken connection raises; ValueError is a line over the limit."""


class Cut(Exception):
    """The session ends here: a fault said so, or one side has gone."""


@dataclass(slots=True)
class Side:
    """One of the two connections of a session."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def line(self) -> bytes:
        """Return the next line with its end; raises Cut at the end of the stream."""
        line = await self.reader.readline()
        if not line.endswith(b"\n"):
            raise Cut
        return line

    async def send(self, data: bytes) -> None:
        """Write and wait until it is on its way."""
        self.writer.write(data)
        await self.writer.drain()

    def cut(self, *, reset: bool) -> None:
        """End the connection at once."""
        abort(self.writer.transport, reset=reset)


@dataclass(slots=True, kw_only=True)
class Line:
    """What a session works with: both sides, the ledger and the faults of its service."""

    service: Service
    client: Side
    upstream: Side
    ledger: Ledger
    faults: Faults

    def decide(self, subject: str) -> Fault | None:
        """Return the fault that strikes a call."""
        return self.faults.decide(self.service, subject, chance=random.random())

    async def truncate(self, beginning: bytes) -> None:
        """Pass on no more than the beginning of an answer, then end the session."""
        await self.client.send(beginning)
        await asyncio.sleep(FLUSH_S)
        self.client.cut(reset=False)
        raise Cut

    async def reset(self) -> None:
        """End the session by resetting the client's connection."""
        self.client.cut(reset=True)
        raise Cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """What differs between SMTP and IMAP before a session has begun."""

    service: Service
    unavailable: bytes
    """Said to a client that cannot be served now."""
    session: Callable[[Line], Awaitable[None]]


class MailProxy:
    """Listens on a port and joins each connection with one to the mail server."""

    def __init__(
        self,
        protocol: Protocol,
        *,
        upstream_host: str,
        upstream_port: int,
        ledger: Ledger,
        faults: Faults,
    ) -> None:
        self._protocol = protocol
        self._upstream = (upstream_host, upstream_port)
        self._ledger = ledger
        self._faults = faults
        self._sessions: set[asyncio.Task[None]] = set()
        self.port = 0

    @contextlib.asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[None]:
        """Listen until the block ends; a port of 0 takes a free one (then in ``port``)."""
        server = await asyncio.start_server(self._accept, host, port, limit=LINE_LIMIT_BYTES)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in list(self._sessions):
                task.cancel()
            await asyncio.gather(*self._sessions, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._joined(reader, writer))
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Side(reader, writer)
        try:
            await self._serve(client)
        except (Cut, *_BROKEN):
            pass  # one side has gone; the ledger holds what was asked until then
        finally:
            writer.close()

    async def _serve(self, client: Side) -> None:
        fault = self._faults.decide(self._protocol.service, "CONNECT", chance=random.random(), at="connect")
        if fault is not None:
            await self._strike(client, fault)
        upstream = await self._connected(client)
        line = Line(
            service=self._protocol.service,
            client=client,
            upstream=upstream,
            ledger=self._ledger,
            faults=self._faults,
        )
        try:
            await self._protocol.session(line)
        finally:
            upstream.writer.close()

    async def _strike(self, client: Side, fault: Fault) -> None:
        call = self._ledger.record(self._protocol.service.value, "CONNECT", "", b"")
        self._ledger.finish(call, status=None, fault=fault.kind.value)
        if fault.kind in (Kind.LATENCY, Kind.HANG):
            await asyncio.sleep(fault.wait_s)
        if fault.kind is Kind.LATENCY:
            return
        if fault.kind in (Kind.TOO_MANY, Kind.SERVER_ERROR):
            await client.send(self._protocol.unavailable)
            raise Cut
        client.cut(reset=True)
        raise Cut

    async def _connected(self, client: Side) -> Side:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return Side(*await asyncio.open_connection(*self._upstream, limit=LINE_LIMIT_BYTES))
        except (OSError, TimeoutError) as exc:
            call = self._ledger.record(self._protocol.service.value, "CONNECT", "", b"")
            self._ledger.finish(call, status=None, fault="mail server unreachable")
            await client.send(self._protocol.unavailable)
            raise Cut from exc
