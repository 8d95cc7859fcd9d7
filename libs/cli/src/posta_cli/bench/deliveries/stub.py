"""A Discord that takes every call at once and only counts: what is left is the sender's own cost."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_BODY = b'{"id":"1390000000000000001","content":"","embeds":[],"flags":0}'
_ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    b"x-ratelimit-limit: 1000000\r\nx-ratelimit-remaining: 999999\r\n"
    b"x-ratelimit-reset: 4000000000\r\nx-ratelimit-reset-after: 1000\r\n"
    b"content-length: " + str(len(_BODY)).encode() + b"\r\n\r\n" + _BODY
)
_LENGTH = b"content-length:"


@dataclass(slots=True)
class Stub:
    """What was called, and when."""

    port: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    calls: int = 0
    wanted: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def expect(self, calls: int) -> None:
        """Count anew; ``done`` is set at the last of so many."""
        self.calls, self.wanted = 0, calls
        self.done.clear()

    def note(self) -> None:
        """One call came."""
        now = time.monotonic()
        self.first_at = now if self.calls == 0 else self.first_at
        self.last_at = now
        self.calls += 1
        if self.calls >= self.wanted:
            self.done.set()

    @property
    def rate(self) -> float:
        """Calls per second, from the first to the last."""
        return self.calls / max(1e-9, self.last_at - self.first_at)


@asynccontextmanager
async def stub() -> AsyncIterator[Stub]:
    """The stub, listening on loopback, for the block."""
    found = Stub()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(_length(head))
                found.note()
                writer.write(_ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(_LENGTH):
            return int(line[len(_LENGTH) :])
    return 0
