"""The console's HTTP side over a fake store, with a Kafka that only remembers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from dlq_admin.app import build_app
from dlq_admin.dead_letter import Bytes, Reading
from dlq_admin.fake_store import FakeStore
from dlq_admin.handler import Indexer
from dlq_admin.originals import Found, Whole
from dlq_admin.reading import read_record
from dlq_admin.redrive import Redrive
from dlq_admin.settings import Settings
from posta.auth import ApiKey, ApiKeys, Principal, describe_key, digest_of, new_key
from posta.domain.envelope import Wire
from posta.engine.engine import Engine
from posta.engine.message import RawRecord
from posta.errors import PostaError
from posta.http.health import Health
from posta.kafka.producer import Producer
from posta.postgres.keyring import KeyRing
from posta.settings import load
from posta.topics import DLQ_ADMIN

ORIGIN = "http://console.test"


@dataclass
class Console:
    """What a test of the HTTP side needs."""

    client: httpx.AsyncClient
    store: FakeStore
    redrive: Redrive
    keys: dict[str, str]
    stored: "StoredKeys"
    ring: KeyRing
    published: list[tuple[str, Wire]] = field(default_factory=list)
    original: Whole = field(default_factory=lambda: Whole(found=Found.GONE))
    """What is found when a truncated one's original is looked for."""
    kafka_fault: PostaError | None = None

    async def look(self, _reading: Reading, _record: Bytes) -> Whole:
        return self.original

    async def publish(self, topic: str, wire: Wire, _partition: int) -> None:
        if self.kafka_fault is not None:
            raise self.kafka_fault
        self.published.append((topic, wire))

    async def index(self, *records: RawRecord) -> None:
        for one in records:
            await self.store.add(read_record(one), Bytes(key=one.key, value=one.value, headers=one.headers))

    def bearer(self, name: str = "admin", **more: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.keys[name]}", **more}

    async def sign_in(self, name: str = "admin") -> httpx.Response:
        return await self.client.post("/login", data={"key": self.keys[name]}, headers={"origin": ORIGIN})

    async def csrf(self, path: str = "/dead-letters/1") -> str:
        page = (await self.client.get(path)).text
        return page.split('name="csrf" value="')[1].split('"')[0]


class StoredKeys:
    """The keys in PostgreSQL, as `posta keys` makes and revokes them."""

    def __init__(self) -> None:
        self.rows: tuple[ApiKey, ...] = ()

    def create(self, name: str, *scopes: str) -> str:
        """Make a key and return it."""
        key = new_key()
        who = Principal(name=name, scopes=frozenset(scopes))
        self.rows = (*self.rows, ApiKey(principal=who, sha256=digest_of(key)))
        return key

    async def usable(self) -> tuple[ApiKey, ...]:
        return self.rows

    async def note_used(self, digests: set[bytes]) -> None:
        """It is not kept here."""


def api_keys() -> tuple[dict[str, str], str]:
    """Keys by name, and what POSTA_API_KEYS says of them."""
    scopes = {
        "admin": {"dlq:read", "dlq:write"},
        "viewer": {"dlq:read"},
        "inspector": {"dlq:read", "dlq:inspect"},
        "publisher": {"events:publish"},
    }
    keys = {name: new_key() for name in scopes}
    listed = ",".join(
        describe_key(keys[name], name=name, scopes=frozenset(allowed)) for name, allowed in scopes.items()
    )
    return keys, listed


@asynccontextmanager
async def console(*, origin: str = ORIGIN, **environ: Any) -> AsyncIterator[Console]:
    """The application, reached without a network."""
    keys, listed = api_keys()
    settings = load(Settings, {"POSTA_API_KEYS": listed, **environ})
    store = FakeStore()

    class Linked:
        async def look(self, reading: Reading, record: Bytes) -> Whole:
            return await made.look(reading, record)

    async def publish(topic: str, wire: Wire, partition: int) -> None:
        await made.publish(topic, wire, partition)

    originals = Linked()
    redrive = Redrive(store, publish, settings.replay, originals)
    producer = Producer(settings.kafka, client_id="never connected")
    engine = Engine(DLQ_ADMIN, Indexer(store), kafka=settings.kafka, producer=producer)
    stored = StoredKeys()
    known = KeyRing(ApiKeys.parse(listed), stored)
    app = build_app(
        settings,
        store=store,
        redrive=redrive,
        originals=originals,
        engine=engine,
        keys=known,
        health=Health(),
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=origin) as client:
        made = Console(client=client, store=store, redrive=redrive, keys=keys, stored=stored, ring=known)
        yield made
