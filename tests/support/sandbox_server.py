"""The sandbox on a real socket, in a thread of its own, so that a test may block while it serves."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from support.processes import free_port

from posta_sandbox import keys
from posta_sandbox.app import create_app
from posta_sandbox.connections import Connections
from posta_sandbox.discord import people
from posta_sandbox.discord.interaction import Interaction
from posta_sandbox.discord.interactions import Use
from posta_sandbox.faults import Fault, Service
from posta_sandbox.ledger import Call
from posta_sandbox.settings import SandboxSettings
from posta_sandbox.world import World

SEED = "5b" * 32
_COMMAND = 2

AfterEffect = Callable[[str, str, int], None]
"""Called with method, path and status when a call has had its effect and nothing is answered yet."""


@dataclass
class Sandbox:
    """A running sandbox: its world, and where it listens."""

    world: World
    url: str
    smtp_port: int
    hooks: list[AfterEffect] = field(default_factory=list)

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/v10"

    @property
    def webhook_url(self) -> str:
        return keys.webhook_url(self.url, SEED, "ops")

    @property
    def application_id(self) -> str:
        return self.world.discord.state.application_id

    def thinking(self) -> Interaction:
        """An interaction that was just acknowledged with a deferred response."""
        place = people.guild_channel(people.DEFAULT_GUILD, people.DEFAULT_CHANNEL)
        use = Use(
            type=_COMMAND,
            command="ask",
            options={},
            user=people.user(people.DEFAULT_USER),
            place=place,
            locale="en-US",
        )
        state, now = self.world.discord.state, time.time()
        token = f"a-secret-token-{len(state.interactions)}"
        interaction = state.begin(use, token=token, now=now, token_life_s=900)
        state.answer(interaction, {"type": 5}, now)
        return interaction

    def posts(self) -> list[str]:
        """What was posted through the webhook: the descriptions, oldest first."""
        return [message.embeds[0].get("description", "") for message in list(self.world.discord.state.posts)]

    def calls(self, method: str = "", part: str = "", *, service: str = "discord") -> list[Call]:
        """The calls received, oldest first."""
        found = self.world.ledger.calls(service)
        return [call for call in found if part in call.path and (not method or call.method == method)]

    def strike(self, service: str, *faults: dict[str, Any]) -> None:
        """Set the faults of a part."""
        self.world.faults.put(Service(service), [Fault(**fault) for fault in faults])


class _Hooked:
    """ASGI middleware around everything: tells the hooks when an answer is about to leave."""

    def __init__(self, app: Any, hooks: list[AfterEffect]) -> None:
        self._app = app
        self._hooks = hooks

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def telling(message: Any) -> None:
            if message["type"] == "http.response.start":
                for hook in list(self._hooks):
                    hook(scope["method"], scope["path"], message["status"])
            await send(message)

        await self._app(scope, receive, telling if scope["type"] == "http" else send)


@contextmanager
def sandbox_server(*, smtp_port: int | None = None, imap_port: int | None = None) -> Iterator[Sandbox]:
    """The sandbox for the block; with the ports of a mail server also its fault-injecting proxies."""
    port, proxy_port = free_port(), free_port()
    settings = SandboxSettings(
        port=port,
        discord_seed=SEED,
        smtp_port=proxy_port,
        imap_port=free_port(),
        smtp_upstream_port=smtp_port,
        imap_upstream_port=imap_port,
    )
    connections = Connections()
    app = create_app(settings, connections=connections)
    sandbox = Sandbox(world=app.state.world, url=f"http://127.0.0.1:{port}", smtp_port=proxy_port)
    config = uvicorn.Config(
        _Hooked(app, sandbox.hooks),
        host="127.0.0.1",
        port=port,
        http=connections.protocol(),
        loop="asyncio",
        ws="none",
        log_level="warning",
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        lifespan="on",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server._serve()), name="sandbox")
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the sandbox did not start"
            time.sleep(0.01)
        yield sandbox
    finally:
        server.should_exit = True
        thread.join(10)
