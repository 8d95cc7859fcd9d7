"""Faults as a client sees them, over real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn

from posta_sandbox.app import create_app
from posta_sandbox.connections import Connections
from posta_sandbox.settings import SandboxSettings

KEY = {"authorization": "Bearer any"}
BODY = {"model": "m", "messages": [{"role": "user", "content": "why?"}]}


@asynccontextmanager
async def served() -> AsyncIterator[httpx.AsyncClient]:
    connections = Connections()
    settings = SandboxSettings(port=0, llm_latency_s=0)
    config = uvicorn.Config(
        create_app(settings, connections=connections),
        host="127.0.0.1",
        port=0,
        http=connections.protocol(),
        ws="none",
        log_level="warning",
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has a flag, not an event
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5) as client:
        yield client
    server.should_exit = True
    await running


async def complete(client, **more):
    return await client.post("/llm/v1/chat/completions", json=BODY, headers=KEY, **more)


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ({"kind": "reset"}, (httpx.ReadError, httpx.RemoteProtocolError), None),
        ({"kind": "truncated"}, httpx.RemoteProtocolError, 200),
        ({"kind": "lost_answer"}, (httpx.ReadError, httpx.RemoteProtocolError), 200),
        ({"kind": "hang", "seconds": 0.1}, (httpx.ReadError, httpx.RemoteProtocolError), None),
    ],
    ids=lambda value: value.get("kind") if isinstance(value, dict) else None,
)
async def test_a_struck_call_breaks_off_and_the_next_one_works(fault, error, status):
    async with served() as client:
        await client.put("/api/faults/llm", json=fault | {"count": 1})
        with pytest.raises(error):
            await complete(client)
        assert (await complete(client)).status_code == 200
        calls = (await client.get("/api/calls?service=llm")).json()
        assert [(c["status"], c["fault"]) for c in calls] == [(status, fault["kind"]), (200, None)]


async def test_a_lost_answer_has_had_its_effect():
    async with served() as client:
        url = (await client.post("/api/webhooks", json={"name": "extra"})).json()["url"]
        await client.put("/api/faults/discord", json={"kind": "lost_answer", "count": 1})
        headers = {"user-agent": "DiscordBot (https://example.org, 1.0)"}
        with pytest.raises(httpx.TransportError):
            await client.post(url, json={"content": "kept"}, headers=headers)
        posts = (await client.get("/api/messages?webhook=extra")).json()
        assert [p["content"] for p in posts] == ["kept"]


async def test_a_hanging_call_says_nothing_until_the_client_gives_up():
    async with served() as client:
        await client.put("/api/faults/llm", json={"kind": "hang", "count": 1})
        with pytest.raises(httpx.ReadTimeout):
            await complete(client, timeout=0.2)
        assert (await complete(client)).status_code == 200


async def test_latency_delays_and_changes_nothing():
    async with served() as client:
        await client.put("/api/faults/llm", json={"kind": "latency", "seconds": 0.2, "count": 1})
        started = time.monotonic()
        assert (await complete(client)).status_code == 200
        assert time.monotonic() - started >= 0.2


async def test_a_stream_arrives_whole_through_the_gate():
    async with served() as client:
        body = BODY | {"stream": True}
        response = await client.post("/llm/v1/chat/completions", json=body, headers=KEY)
        assert response.text.endswith("data: [DONE]\n\n")
