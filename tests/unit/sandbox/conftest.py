"""A sandbox in this process: no socket, a clock that tests set, and a stub in ingress's place."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from posta_sandbox import keys
from posta_sandbox.app import create_app
from posta_sandbox.discord.ingress_line import Answered
from posta_sandbox.settings import SandboxSettings
from posta_sandbox.world import World

SEED = "11" * 32
USER_AGENT = "DiscordBot (https://example.org, 1.0)"
Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


async def defer(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"type": 5})


@dataclass
class Sandbox:
    """The application with everything a test holds on to."""

    http: httpx.AsyncClient
    world: World
    now: list[float]
    received: list[httpx.Request] = field(default_factory=list)
    answer: Answer = defer

    async def ask(self, question: str = "why?", **more: Any) -> dict[str, Any]:
        body = {"options": {"question": question}, **more}
        response = await self.http.post("/api/interactions", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def shown(self, interaction: dict[str, Any]) -> dict[str, Any]:
        return (await self.http.get(f"/api/interactions/{interaction['id']}")).json()

    def reply_path(self, interaction: dict[str, Any]) -> str:
        token = self.world.discord.state.interactions[interaction["id"]].token
        return f"/api/v10/webhooks/{self.world.discord.state.application_id}/{token}"

    @property
    def ops_path(self) -> str:
        return keys.webhook_url("", SEED, "ops")


class Ingress:
    """The stub that interactions reach: it notes each request and asks the test's box."""

    def __init__(self) -> None:
        self.box: Sandbox | None = None

    async def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        assert self.box is not None
        request = httpx.Request("POST", url, headers=headers, content=body)
        self.box.received.append(request)
        response = await self.box.answer(request)
        answered = list(response.headers.items())
        return Answered(status=response.status_code, headers=answered, body=response.content)


@dataclass
class Built:
    """One application for the whole session: building it takes longer than most tests."""

    app: FastAPI
    ingress: Ingress
    now: list[float]


@pytest.fixture(scope="session")
def built() -> Built:
    ingress, now = Ingress(), [0.0]
    settings = SandboxSettings(discord_seed=SEED, llm_latency_s=0, ingress_url="http://ingress")
    return Built(create_app(settings, clock=lambda: now[0], send=ingress), ingress, now)


@pytest.fixture
async def sandbox(built: Built) -> AsyncIterator[Sandbox]:
    built.now[0] = 1_800_000_000.0
    built.app.state.world.reset()
    transport = httpx.ASGITransport(built.app)
    headers = {"user-agent": USER_AGENT}
    base_url = "http://127.0.0.1:8090"
    async with httpx.AsyncClient(transport=transport, base_url=base_url, headers=headers) as http:
        built.ingress.box = Sandbox(http, built.app.state.world, built.now)
        yield built.ingress.box
