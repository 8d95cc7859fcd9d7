"""The request to ingress, over a real socket, against answers good and bad."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from posta_sandbox.discord.ingress_line import IngressUnreachable, post


@asynccontextmanager
async def answering(*pieces: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that reads one request and writes these pieces, then hangs up."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head + await reader.readexactly(4))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/discord-interactions", seen


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b'{"type":5}'],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n", b'{"type":5}\r\n0\r\n\r\n'],
        [b"HTTP/1.1 200 OK\r\n", b"\r\n", b'{"type"', b":5}"],
    ],
    ids=["whole", "chunked", "until the end"],
)
async def test_an_answer_arrives_in_whatever_pieces_it_is_sent(pieces):
    async with answering(*pieces) as (url, seen):
        answered = await post(url, {"x-signature-timestamp": "1"}, b"body")
    assert (answered.status, answered.content()) == (200, {"type": 5})
    assert seen[0].startswith(b"POST /discord-interactions HTTP/1.1\r\n")
    assert b"x-signature-timestamp: 1\r\n" in seen[0].lower()
    assert seen[0].endswith(b"body")


@pytest.mark.parametrize(
    "pieces",
    [[], [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort"], [b"this is no HTTP\r\n\r\n"]],
    ids=["nothing", "broken off", "nonsense"],
)
async def test_what_is_no_answer_is_unreachable(pieces):
    async with answering(*pieces) as (url, _):
        with pytest.raises(IngressUnreachable):
            await post(url, {}, b"body")


async def test_nobody_listening_is_unreachable(unused_tcp_port):
    with pytest.raises(IngressUnreachable):
        await post(f"http://127.0.0.1:{unused_tcp_port}/x", {}, b"body")
