"""dlq-admin as a process among real Kafka and real PostgreSQL."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from support.dlq_console import api_keys
from support.engine_rig import Rig
from support.processes import ServiceProcess, service

from posta.domain.envelope import Wire
from posta.engine.message import RawRecord
from posta.kafka.producer import Producer
from posta.kafka.topics import apply
from posta.postgres.migrations import migrate
from posta.settings import KafkaSettings
from posta.topics import LLM_WORKER, NOTIFIER

TOPICS = (*LLM_WORKER.lanes, LLM_WORKER.dlq, *NOTIFIER.lanes, NOTIFIER.dlq)
LANE = LLM_WORKER.lanes[0].name


@dataclass
class DlqWorld:
    """What surrounds the dlq-admin under test."""

    kafka: Rig
    database_url: str
    keys: dict[str, str]
    env: dict[str, str]
    log: Path

    @contextmanager
    def dlq_admin(self, **env: str) -> Iterator[ServiceProcess]:
        """A dlq-admin, ready, for the block."""
        with service("dlq_admin", {**self.env, **env}, self.log) as process:
            yield process

    async def die(self, *records: RawRecord) -> None:
        """Put dead letters where the groups put them."""
        for one in records:
            wire = Wire(key=one.key, value=one.value, headers=one.headers)
            await self.kafka.producer.publish(one.topic, [wire], timeout_s=10)

    def client(self, process: ServiceProcess, name: str = "admin") -> httpx.AsyncClient:
        """The API as the holder of a key sees it."""
        return httpx.AsyncClient(
            base_url=process.url, headers={"authorization": f"Bearer {self.keys[name]}"}, timeout=30
        )

    async def fetch(self, statement: str) -> list[asyncpg.Record]:
        """Ask the database directly; an empty answer while it is away."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    async def count(self, statement: str = "SELECT 1 FROM dead_letter") -> int:
        return len(await self.fetch(statement))

    async def until(self, holds: Callable[[], Awaitable[bool]], *, within_s: float = 30) -> None:
        """Wait until ``holds()``; fail with the service's last words when it does not in time."""
        deadline = time.monotonic() + within_s
        while not await holds():
            last = "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])
            assert time.monotonic() < deadline, f"did not come true; dlq-admin said:\n{last}"
            await asyncio.sleep(0.05)

    async def indexed(self, count: int, *, within_s: float = 30) -> None:
        """Wait until this many dead letters are in the index."""

        async def holds() -> bool:
            return await self.count() >= count

        await self.until(holds, within_s=within_s)

    async def on_lane(self, count: int, *, timeout_s: float = 15) -> list[Any]:
        """The first ``count`` records of llm-worker's shortest lane; fewer if no more come in time."""
        return await self.kafka.read(LANE, count=count, timeout_s=timeout_s)


@asynccontextmanager
async def dlq_world(
    bootstrap_servers: str, topic_prefix: str, database_url: str, tmp_path: Path
) -> AsyncIterator[DlqWorld]:
    """Topics made, tables made, keys made."""
    settings = KafkaSettings(
        bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix, partitions=2, session_timeout_s=6
    )
    await apply(settings, TOPICS)
    await migrate(database_url)
    keys, listed = api_keys()
    env = {
        "POSTA_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
        "POSTA_KAFKA__TOPIC_PREFIX": topic_prefix,
        "POSTA_KAFKA__PARTITIONS": "2",
        "POSTA_KAFKA__SESSION_TIMEOUT_S": "6",
        "POSTA_DATABASE__URL": database_url,
        "POSTA_API_KEYS": listed,
        "POSTA_STATE_DIR": str(tmp_path / "state"),
    }
    async with Producer(settings, client_id="rig") as producer:
        yield DlqWorld(
            kafka=Rig(settings=settings, producer=producer),
            database_url=database_url,
            keys=keys,
            env=env,
            log=tmp_path / "dlq-admin.log",
        )
