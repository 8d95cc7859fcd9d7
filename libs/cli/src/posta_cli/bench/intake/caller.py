"""Plays Discord as fast as one process can: signed in advance, on kept connections, answers counted."""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nacl.signing import SigningKey

_DISCORD_EPOCH_MS = 1_420_070_400_000
_APPLICATION = "1380486651436073092"
_ACCEPTED = b'"type":5'
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_CONNECT_S = 10.0
_numbers = itertools.count()


def signed_requests(key: SigningKey, count: int) -> list[bytes]:
    """``count`` uses of /ask, each by another person in another place, as they go over the wire."""
    stamp = str(int(time.time()))
    return [_request(key, stamp, _body()) for _ in range(count)]


def _body() -> bytes:
    number = next(_numbers)
    made_ms = int(time.time() * 1000) - _DISCORD_EPOCH_MS
    snowflake = (made_ms << 22) + number % (1 << 22)
    person = str(300_000_000_000_000_000 + number)
    body = {
        "id": str(snowflake),
        "application_id": _APPLICATION,
        "type": 2,
        "token": f"aW50ZXJhY3Rpb246{snowflake}{'x' * 120}",
        "version": 1,
        "locale": "en-GB",
        "guild_locale": "en-US",
        "guild_id": str(110_000_000_000_000_000 + number),
        "channel_id": str(120_000_000_000_000_000 + number),
        "data": {
            "id": "1380490000000000001",
            "name": "ask",
            "type": 1,
            "options": [{"name": "question", "type": 3, "value": f"How do I export my data, {number}?"}],
        },
        "member": {
            "nick": None,
            "roles": ["1100000000000000010"],
            "user": {"id": person, "username": "alex.k", "global_name": "Alex", "discriminator": "0"},
        },
    }
    return json.dumps(body, separators=(",", ":")).encode()


def _request(key: SigningKey, stamp: str, body: bytes) -> bytes:
    signature = key.sign(stamp.encode() + body).signature.hex()
    head = (
        "POST /discord-interactions HTTP/1.1\r\nhost: ingress\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nx-signature-ed25519: {signature}\r\n"
        f"x-signature-timestamp: {stamp}\r\n\r\n"
    )
    return head.encode() + body


@dataclass
class Seen:
    """What came back."""

    accepted: int = 0
    other: int = 0
    """Answers that were no deferral."""
    waits_s: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Accepted interactions per second."""
        return self.accepted / self.seconds if self.seconds else 0.0

    def wait_ms(self, share: float) -> float:
        """What ``share`` of the answers did not exceed, in milliseconds."""
        ordered = sorted(self.waits_s)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Line(asyncio.Protocol):
    """One kept connection; one request at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection over."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP gives no other
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take a part of the answer, or all of it."""
        self._buffer += data
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return
        whole = end + len(_HEAD_END) + _length(bytes(self._buffer[:end]).lower())
        if len(self._buffer) >= whole and self._answer is not None and not self._answer.done():
            self._answer.set_result(bytes(self._buffer[:whole]))
            del self._buffer[:whole]

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits learns that no answer will come."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("closed"))

    @property
    def is_open(self) -> bool:
        """Whether something can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes) -> bytes:
        """Send and return the whole answer."""
        assert self._transport is not None  # noqa: S101 - connected before it is used
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


def _length(head: bytes) -> int:
    _, _, rest = head.partition(_LENGTH)
    return int(rest.split(b"\r\n", 1)[0]) if rest else 0


async def flood(port: int, requests: Sequence[bytes], *, lines: int) -> Seen:
    """Send all, each line the next one as soon as it has its answer."""
    seen, waiting = Seen(), iter(requests)
    open_lines = await _connected(port, lines)
    started = time.perf_counter()
    await asyncio.gather(*(_work(line, waiting, seen) for line in open_lines))
    seen.seconds = time.perf_counter() - started
    for line in open_lines:
        line.close()
    return seen


async def steady(port: int, requests: Sequence[bytes], *, per_s: float, lines: int) -> Seen:
    """Send at a fixed rate; a wait counts from when the request was due, so a stall is not hidden."""
    seen = Seen()
    open_lines = await _connected(port, lines)
    free: asyncio.Queue[Line] = asyncio.Queue()
    for line in open_lines:
        free.put_nowait(line)
    started = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number, request in enumerate(requests):
            due = started + number / per_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(_one(free, request, due, seen))
    seen.seconds = time.perf_counter() - started
    for line in open_lines:
        line.close()
    return seen


async def connect(port: int) -> Line:
    """A connection to what listens on ``port`` here."""
    async with asyncio.timeout(_CONNECT_S):
        _, line = await asyncio.get_running_loop().create_connection(Line, "127.0.0.1", port)
    return line


async def _connected(port: int, count: int) -> list[Line]:
    return await asyncio.gather(*(connect(port) for _ in range(count)))


async def _work(line: Line, waiting: Iterator[bytes], seen: Seen) -> None:
    for request in waiting:
        started = time.perf_counter()
        _note(seen, await line.ask(request), started)


async def _one(free: "asyncio.Queue[Line]", request: bytes, due: float, seen: Seen) -> None:
    line = await free.get()
    try:
        _note(seen, await line.ask(request), due)
    finally:
        free.put_nowait(line)


def _note(seen: Seen, answer: bytes, since: float) -> None:
    seen.waits_s.append(time.perf_counter() - since)
    if _ACCEPTED in answer:
        seen.accepted += 1
    else:
        seen.other += 1
