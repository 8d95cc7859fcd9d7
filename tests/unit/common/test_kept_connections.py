"""Calls share kept connections: as many as are made at once, and no more."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest

from posta.http.kept_connections import KeptConnections

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class Server:
    """Answers every request once it is let go, and counts connections."""

    def __init__(self):
        self.connections = self.open = 0
        self.heads, self.go = [], asyncio.Event()
        self.go.set()

    async def serve(self, reader, writer):
        self.connections += 1
        self.open += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head.decode())
                await self.answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def answer(self, writer):
        await self.go.wait()
        writer.write(ANSWER)

    @asynccontextmanager
    async def listening(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()


@pytest.fixture
def server():
    return Server()


async def until(holds):
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - the server's side has no event
            await asyncio.sleep(0.005)


async def test_one_call_after_the_other_needs_one_connection(server):
    async with (
        server.listening() as url,
        KeptConnections(timeout_s=5, headers={"user-agent": "us"}) as calls,
    ):
        for _ in range(10):
            answer = await calls.request("GET", f"{url}/x", headers={"x-own": "1"})
            assert (answer.status_code, answer.json()) == (200, {})
        assert server.connections == 1
    assert "user-agent: us" in server.heads[0].lower()
    assert "x-own: 1" in server.heads[0].lower()


async def test_calls_at_once_have_a_connection_each_and_those_are_kept(server):
    server.go.clear()
    async with server.listening() as url, KeptConnections(timeout_s=5, headers={}) as calls:
        for _ in range(2):
            many = [asyncio.create_task(calls.request("GET", url)) for _ in range(8)]
            await until(lambda: len(server.heads) % 8 == 0 and server.heads)
            server.go.set()
            await asyncio.gather(*many)
            server.go.clear()
        assert server.connections == 8
    await until(lambda: server.open == 0)


async def test_what_was_idle_for_long_is_closed(server):
    now = 0.0
    async with (
        server.listening() as url,
        KeptConnections(timeout_s=5, headers={}, kept_s=30, clock=lambda: now) as calls,
    ):
        await asyncio.gather(*(calls.request("GET", url) for _ in range(4)))
        assert server.open == 4
        now = 31.0
        for _ in range(4):
            await calls.request("GET", url)
        await until(lambda: server.open == 1)


async def test_a_call_that_was_given_up_leaves_its_connection_in_order(server):
    server.go.clear()
    async with server.listening() as url, KeptConnections(timeout_s=5, headers={}) as calls:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await calls.request("GET", url)
        server.go.set()
        assert (await calls.request("GET", url)).status_code == 200
        assert server.connections == 2


async def test_a_server_that_is_not_there_is_httpxs_own_error():
    async with KeptConnections(timeout_s=5, headers={}) as calls:
        with pytest.raises(httpx.ConnectError):
            await calls.request("GET", "http://127.0.0.1:1/")


STREAMED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
PIECE, END = b"5\r\ndata\n\r\n", b"0\r\n\r\n"


class StreamingServer(Server):
    """Answers in pieces; the last ones, and the end, once it is let go."""

    async def answer(self, writer):
        writer.write(STREAMED + PIECE)
        await self.go.wait()
        writer.write(PIECE + END)


async def test_streams_that_are_read_to_their_end_share_a_connection():
    server = StreamingServer()
    async with server.listening() as url, KeptConnections(timeout_s=5, headers={"x-us": "1"}) as calls:
        for _ in range(5):
            async with calls.stream("GET", url) as answer:
                assert answer.status_code == 200
                assert b"".join([piece async for piece in answer.aiter_bytes()]) == b"data\n" * 2
        assert server.connections == 1
    assert "x-us: 1" in server.heads[0].lower()


async def test_a_stream_that_is_left_early_gives_its_connection_up_and_the_next_call_is_none_the_worse():
    server = StreamingServer()
    server.go.clear()
    async with server.listening() as url, KeptConnections(timeout_s=5, headers={}) as calls:
        async with calls.stream("GET", url) as answer:
            async for _ in answer.aiter_bytes():
                break
        server.go.set()
        async with calls.stream("GET", url) as answer:
            assert await answer.aread() == b"data\n" * 2
        assert server.connections == 2


@pytest.mark.parametrize("server_ends", [True, False], ids=["as it ends", "in the middle"])
async def test_calls_cancelled_at_any_moment_leave_nothing_that_a_later_call_waits_for(server_ends):
    """Cut off while it closes a response, httpx's pool counts the connection as in use for ever."""
    server = StreamingServer()
    if not server_ends:
        server.go.clear()

    async def read(calls, url):
        async with calls.stream("GET", url) as answer:
            await answer.aread()

    async with server.listening() as url, KeptConnections(timeout_s=5, headers={}) as calls:
        for turns in range(60):
            one = asyncio.create_task(read(calls, url))
            for _ in range(turns):
                await asyncio.sleep(0)
            one.cancel()
            await asyncio.gather(one, return_exceptions=True)
        server.go.set()
        async with asyncio.timeout(2):
            await asyncio.gather(*(read(calls, url) for _ in range(4)))
    await until(lambda: server.open == 0)
    assert server.open == 0, "every connection is closed in the end"


async def test_calls_go_through_the_proxy_of_the_environment(server, monkeypatch):
    async with server.listening() as proxy:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("HTTP_PROXY", proxy)
        async with (
            KeptConnections(timeout_s=5, headers={}) as calls,
            calls.stream("GET", "http://llm.example/v1") as answer,
        ):
            assert await answer.aread() == b"{}"
    assert server.heads[0].startswith("GET http://llm.example/v1 HTTP/1.1")
