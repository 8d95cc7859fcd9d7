"""Parts of ingress with a publisher in memory, and the whole of it behind an HTTP client."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
from support.discord_caller import DiscordCaller
from support.fake_publisher import FakePublisher

from ingress.acceptor import Acceptor
from ingress.app import build_app
from ingress.drain import Drainer
from ingress.events.addresses import AddressBook
from ingress.events.fakes import MemoryPublishedEvents
from ingress.events.idempotency import Idempotency
from ingress.events.idempotency_store import MemoryStore
from ingress.events.journal import Journal
from ingress.events.outcomes import Outcomes
from ingress.events.side import EventRules, event_routers
from ingress.interactions.route import Interactions, interactions_router
from ingress.interactions.rulebook import LiveRules
from ingress.interactions.signature import parse_public_keys
from ingress.limits.admission import Admission
from ingress.limits.governor import Governor
from ingress.limits.queue_age import QueueAge
from ingress.limits.quotas import LimitPolicy
from ingress.limits.stats_route import governor_router
from ingress.receivers.live import LiveReceivers, read_receivers
from ingress.spool import Spool
from ingress.spool_file import Entry, SpoolPolicy
from ingress.switch import Switch, Way
from posta.auth import ApiKeys, describe_key, new_key
from posta.destinations import load_destinations
from posta.domain.envelope import Wire
from posta.domain.interaction_state import Note
from posta.postgres.keyring import KeyRing

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = REPOSITORY / "deploy" / "config"
FIXTURES = REPOSITORY.parent / "shared" / "fixtures" / "discord"
MAX_BODY = 4096
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def entry(name: str, *, topic: str = "t", key: str = "k", value: bytes = b"{}") -> Entry:
    """A record to be spooled whose event id is ``name``."""
    headers = (("ce_id", name.encode()), ("traceparent", b"00-aa-bb-01"), ("odd", b"\xff\x00"))
    return Entry(event_id=name, topic=topic, wire=Wire(key=key.encode(), value=value, headers=headers))


def policy(folder: Path, *, max_events: int = 1000, max_bytes: int = 1_000_000) -> SpoolPolicy:
    return SpoolPolicy(path=folder / "s" / "spool.sqlite3", max_events=max_events, max_bytes=max_bytes)


class Notes:
    """What was noted of interactions."""

    def __init__(self) -> None:
        self.taken: list[Note] = []

    def note(self, note: Note) -> None:
        self.taken.append(note)


class Rig:
    """All of ingress but Kafka and the socket."""

    def __init__(self, spool: Spool, publisher: FakePublisher, *, limits: LimitPolicy | None = None) -> None:
        self.spool = spool
        self.publisher = publisher
        self.switch = Switch()
        self.caller = DiscordCaller()
        self.drainer = Drainer(publisher, spool, self.switch)
        self.acceptor = Acceptor(publisher, spool, self.switch, publish_budget_s=0.2, spool_budget_s=1.0)
        self.api_key = new_key()
        self.useless_key = new_key()
        self.admin_key = new_key()
        keys = ",".join(
            [
                describe_key(self.api_key, name="backup", scopes=frozenset({"events:publish"})),
                describe_key(self.useless_key, name="reader", scopes=frozenset({"dlq:read"})),
                describe_key(self.admin_key, name="admin", scopes=frozenset({"governor:read"})),
            ]
        )
        self.rules = LiveRules(CONFIG)
        self.notes = Notes()
        self.governor = Governor(None)
        self.queue_age = QueueAge(None, lambda: self.queue_age_s)
        self.queue_age_s = 0.0
        self.hours = self.rules.hours
        self.admission = Admission(
            self.governor,
            limits=limits,
            hours=lambda: self.hours,
            queue_age=self.queue_age,
            max_queue_age_s=300,
        )
        interactions = Interactions(
            self.acceptor,
            lambda: self.rules.rulebook,
            self.admission,
            self.notes,
            keys=parse_public_keys(self.caller.public_key),
            max_body_bytes=MAX_BODY,
        )
        self.published = MemoryPublishedEvents()
        self.journal = Journal(self.published)
        self.answers = MemoryStore()
        keyring = KeyRing(ApiKeys.parse(keys), None)
        self.keyring = keyring
        self.github_secret = b"a secret for tests"
        self.receivers = LiveReceivers(
            read_receivers(CONFIG), {"POSTA_GITHUB_WEBHOOK_SECRET": self.github_secret.decode()}
        )
        self.keys = ApiKeys.parse(keys)
        self.interactions = interactions
        self.events_of()

    def events_of(
        self,
        *,
        idempotency: Idempotency | None = None,
        keys: KeyRing | None = None,
        book: AddressBook | None = None,
    ) -> None:
        """Make the HTTP client anew, with these parts of the events' side."""
        keyring = keys or self.keyring
        events = event_routers(
            EventRules(
                api_keys=self.keys,
                destinations=load_destinations(CONFIG / "destinations.yaml"),
                max_body_bytes=MAX_BODY,
                memory=None,
                receivers=self.receivers,
            ),
            self.acceptor,
            keys=keyring,
            book=book or AddressBook(load_destinations(CONFIG / "destinations.yaml")),
            journal=self.journal,
            idempotency=idempotency or Idempotency(self.answers, MemoryStore()),
            outcomes=Outcomes(self.published, keyring, self.journal, clock=lambda: NOW),
            clock=lambda: NOW,
        )
        app = build_app(
            self.drainer,
            interactions_router(self.interactions),
            governor_router(self.admission, keyring),
            *events,
        )
        self.app = app
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False), base_url="http://ingress"
        )

    async def interact(self, body: object) -> httpx.Response:
        return await self.http.post("/discord-interactions", **self.caller.request(body))

    async def publish(self, body: object, **headers: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.api_key}", **headers}
        return await self.http.post("/v1/events", json=body, headers=headers)

    @contextlib.asynccontextmanager
    async def draining(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.drainer.run())
        try:
            yield
            assert not task.done(), task.result()
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def until_direct(self) -> None:
        async with asyncio.timeout(5):
            while self.switch.way is not Way.DIRECT:  # noqa: ASYNC110 - the switch has no event for this
                await asyncio.sleep(0.01)
