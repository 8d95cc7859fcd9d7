"""A notifier's handler with a Discord, a mail server and stores that live in the test."""

import json
from datetime import UTC, datetime

import httpx
from pydantic import SecretStr
from support.deliveries import delivery_message
from support.limits import own_limits

from notifier.discord.answers import Answers
from notifier.discord.discord import Discord
from notifier.discord.endpoint import webhook_of
from notifier.discord.events import Events
from notifier.discord.fallbacks import Fallbacks
from notifier.discord.places import Places, WebhookPlace
from notifier.fakes import MemoryLedger, MemoryRegistry, MemoryStanding
from notifier.handler import Deliveries
from notifier.ledger.once import Once
from notifier.mail.mails import Mails
from notifier.rendering.drawing import Drawing
from notifier.rendering.templates import Templates
from notifier.routing.directory import Directory, Known
from notifier.routing.fan_out import Routing
from notifier.routing.rules import Routes
from posta.domain.retry import ErrorClass
from posta.engine.message import GivenUp

API = "http://discord.test/api/v10"
THINKING = {"id": "1", "content": "", "flags": 128}


class FakeSmtp:
    """Takes letters, or raises the next of its script."""

    def __init__(self, *script):
        self.script = list(script)
        self.letters = []

    async def send(self, letter):
        self.letters.append(letter)
        if self.script:
            raise self.script.pop(0)


class Collected:
    """Digests that only remember."""

    def __init__(self):
        self.entries = []

    async def add(self, event, digest):
        self.entries.append((event.id, digest))


class World:
    """A notifier with a Discord that remembers what it shows, a fake mail server and a fake ledger."""

    def __init__(self, *script, smtp=None, routes=None, bot=False, destinations=("ops", "dba")):
        self.script = list(script)
        self.shown = dict(THINKING)
        self.requests = []
        self.ledger = MemoryLedger()
        self.standing = MemoryStanding(self.ledger)
        self.digests = Collected()
        self.registry = MemoryRegistry()
        self.routes = Routes.model_validate(routes or {})
        self.bot = SecretStr("a-bot-secret") if bot else None
        self.destinations = destinations
        self.smtp = smtp or FakeSmtp()
        self.now = datetime.now(UTC).timestamp()
        self.handler = self.restarted()

    def restarted(self):
        """The handler as a new process has it: the same world, an empty memory."""
        client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        discord = Discord(client, own_limits(wall_clock=lambda: self.now), timeout_s=1, bot_token=self.bot)
        once, places = Once(self.ledger), Places(discord, api_url=API)
        clock = lambda: self.now  # noqa: E731
        known = {
            name: Known(
                id=name,
                place=WebhookPlace(webhook=webhook_of(f"{API}/webhooks/{n}/hook-secret", channel_id="77")),
            )
            for n, name in enumerate(self.destinations, 1)
        }
        self.directory = directory = Directory(known, default="dba", registry=self.registry)
        self.handler = Deliveries(
            answers=Answers(discord, once, api_url=API, clock=clock),
            events=Events(
                places,
                once,
                directory=directory,
                drawing=Drawing(Templates({})),
                standing=self.standing,
                ledger=self.ledger,
                window_s=self.routes.dedupe_window_s,
            ),
            mails=Mails(self.smtp, once, address="posta@example.test"),
            fallbacks=Fallbacks(
                discord, places, once, directory=directory, routes=self.routes.answers.fallback
            ),
            routing=Routing(self.routes, self.digests, clock=clock),
            directory=directory,
            clock=clock,
        )
        return self.handler

    def _answer(self, request):
        self.requests.append(request)
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        if isinstance(step, httpx.Response):
            return step
        if request.method == "PATCH":
            self.shown = {"id": "1", "flags": 0, **json.loads(request.content)}
        if step == "lost":
            raise httpx.ReadError("reset")
        return httpx.Response(200, json={"id": "9"} if request.method == "POST" else self.shown)

    @property
    def methods(self):
        return [request.method for request in self.requests]

    async def handle(self, event, attempt=1):
        return await self.handler.handle(delivery_message(event, attempt=attempt))

    async def apologise(self, event, error, error_class=ErrorClass.PERMANENT):
        given_up = GivenUp(error_class=error_class, reason=str(error), error=error)
        return await self.handler.apologise(delivery_message(event), given_up)
