"""Where llm-workers are measured: own topics and tables, the sandbox as provider, workers as processes."""

import asyncio
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer

from llm_worker.catalogue.postgres import Catalogue
from llm_worker.catalogue.product import Product
from posta.auth import describe_key, new_key
from posta.domain.envelope import Event, decode, encode
from posta.domain.payloads import Payload
from posta.kafka.producer import Producer
from posta.kafka.topics import apply
from posta.postgres.migrations import migrate
from posta.postgres.pool import Database
from posta.settings import DatabaseSettings, KafkaSettings
from posta.topics import EMAIL_RECEIVED, REPLIES_READY
from posta_cli.bench.answering.measures import LedgerCall
from posta_cli.bench.intake.served import Served, served
from posta_cli.bench.mailbox.goods import GOODS
from posta_sandbox.embedded.ports import free_port
from posta_sandbox.embedded.postgres import EmbeddedPostgres

_BATCH = 200
_TIMEOUT_S = 60.0
_QUIET_BYTES, _QUIET_MS = 1_048_576, 500


@dataclass(slots=True, kw_only=True)
class Stage:
    """One measurement's surroundings."""

    folder: Path
    kafka: KafkaSettings
    database_url: str
    sandbox: Served
    key: str = field(default_factory=new_key)
    answered_at: dict[str, float] = field(default_factory=dict)
    """When the first reply to each question was published (epoch seconds), by the question's id."""

    @property
    def provider_url(self) -> str:
        """The provider's base address."""
        return f"http://127.0.0.1:{self.sandbox.port}/llm/v1"

    async def tell_sandbox(self, path: str, **what: object) -> None:
        """Set the provider's manners (``llm/settings``) or limits (``llm/limits``)."""
        async with _client() as http:
            answer = await http.put(f"http://127.0.0.1:{self.sandbox.port}/api/{path}", json=what)
            answer.raise_for_status()

    async def calls(self) -> list[LedgerCall]:
        """What the provider received, oldest first."""
        async with _client() as http:
            answer = await http.get(f"http://127.0.0.1:{self.sandbox.port}/api/calls?service=llm")
            answer.raise_for_status()
        return [
            LedgerCall(call["at"], int(call["status"] or 0), int(call["hints"].get("tokens", 0)))
            for call in answer.json()
        ]

    def worker(self, *, models: str, **env: str) -> Any:
        """An llm-worker as its own process, with ``models`` for its llm.yaml."""
        port = free_port()
        config = self.folder / f"config-{port}"
        shutil.copytree(config_dir(), config)
        (config / "llm.yaml").write_text(models, encoding="utf-8")
        given = {
            "POSTA_HTTP__PORT": str(port),
            "POSTA_KAFKA__BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "POSTA_KAFKA__TOPIC_PREFIX": self.kafka.topic_prefix,
            "POSTA_DATABASE__URL": self.database_url,
            "POSTA_LLM__BASE_URL": self.provider_url,
            "POSTA_LLM__API_KEY": "bench",
            "POSTA_API_KEYS": describe_key(self.key, name="bench", scopes=frozenset({"engine:read"})),
            "POSTA_CONFIG_DIR": str(config),
            "POSTA_LOG__LEVEL": "warning",
        }
        argv = [sys.executable, "-m", "llm_worker"]
        output = self.folder / f"llm-worker-{port}.log"
        return served(argv, clean_environment() | given | env, port=port, core=None, output=output)

    async def why_waiting(self, worker: Served) -> str:
        """What the worker tells an operator who wonders why questions wait."""
        async with _client() as http:
            answer = await http.get(
                f"http://127.0.0.1:{worker.port}/admin/llm", headers={"authorization": f"Bearer {self.key}"}
            )
            answer.raise_for_status()
            return str(answer.json()["summary"])

    async def ask(self, questions: Iterable[tuple[str, str, Payload]]) -> None:
        """Put questions (id, key, data) where email-poller puts them."""
        now = datetime.now(UTC)
        wires = [
            encode(Event(id=id_, source="/bench", time=now, key=key, data=data))
            for id_, key, data in questions
        ]
        async with Producer(self.kafka, client_id="bench") as producer:
            for first in range(0, len(wires), _BATCH):
                await producer.publish(EMAIL_RECEIVED.name, wires[first : first + _BATCH], timeout_s=60)

    async def answered(self, count: int, *, within_s: float) -> bool:
        """Read replies until ``count`` questions have one; False when that is not so in time."""
        consumer = AIOKafkaConsumer(
            f"{self.kafka.topic_prefix}{REPLIES_READY.name}",
            bootstrap_servers=self.kafka.bootstrap_servers,
            auto_offset_reset="earliest",
            # When each was published stands in its record; to look each time would disturb what is measured.
            fetch_min_bytes=_QUIET_BYTES,
            fetch_max_wait_ms=_QUIET_MS,
        )
        await consumer.start()
        try:
            async with asyncio.timeout(within_s):
                while len(self.answered_at) < count:
                    for records in (await consumer.getmany(timeout_ms=500)).values():
                        for record in records:
                            event = decode(key=record.key, value=record.value, headers=record.headers)
                            self.answered_at.setdefault(event.data.question_id, record.timestamp / 1000)
        except TimeoutError:
            return False
        finally:
            await consumer.stop()
        return True

    async def rows(self, statement: str) -> list[Any]:
        """What a query finds."""
        database = Database(DatabaseSettings(url=self.database_url), application="bench")
        try:
            async with database.connection() as connection:
                return list(await connection.fetch(statement))
        finally:
            await database.close()


@asynccontextmanager
async def stage(folder: Path, bootstrap: str) -> AsyncIterator[Stage]:
    """Fresh topics, tables, catalogue and provider for the block."""
    kafka = KafkaSettings(bootstrap_servers=bootstrap, topic_prefix=f"b{secrets.token_hex(4)}.")
    await asyncio.to_thread(folder.mkdir, parents=True)
    port = free_port()
    env = clean_environment() | {
        "POSTA_SANDBOX__PORT": str(port),
        "POSTA_SANDBOX__SMTP_PORT": str(free_port()),
        "POSTA_SANDBOX__IMAP_PORT": str(free_port()),
    }
    argv = [sys.executable, "-m", "posta_sandbox"]
    async with (
        EmbeddedPostgres(folder / "postgres") as postgres,
        served(argv, env, port=port, core=None, output=folder / "sandbox.log") as sandbox,
    ):
        await apply(kafka)
        await migrate(postgres.url)
        await _stock(postgres.url)
        yield Stage(folder=folder, kafka=kafka, database_url=postgres.url, sandbox=sandbox)


async def _stock(database_url: str) -> None:
    database = Database(DatabaseSettings(url=database_url), application="bench")
    products = {
        one.sku: Product(
            sku=one.sku, name=one.name, price=one.price_eur, stock=one.stock, description=one.description
        )
        for one in GOODS
    }
    try:
        await Catalogue(database).load(products, source="bench", replace=True)
    finally:
        await database.close()


def config_dir() -> Path:
    """The repository's rules."""
    return Path(__file__).resolve().parents[6] / "deploy" / "config"


def clean_environment() -> dict[str, str]:
    """Ours without what steers Posta or tracing."""
    return {name: text for name, text in os.environ.items() if not name.startswith(("POSTA_", "OTEL_"))}


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False)
