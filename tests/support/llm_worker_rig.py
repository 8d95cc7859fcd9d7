"""llm-worker as a process among real Kafka, real PostgreSQL and a scripted LLM."""

import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord
from support.engine_rig import Rig
from support.llm_server import LlmServer, llm_server
from support.processes import REPOSITORY, ServiceProcess, service

from posta.domain.envelope import Event, Wire, decode, encode
from posta.kafka.producer import Producer
from posta.kafka.topics import apply
from posta.postgres.migrations import migrate
from posta.settings import KafkaSettings
from posta.topics import DISCORD_INTERACTIONS, EMAIL_RECEIVED, LLM_WORKER, REPLIES_READY

TOPICS = (DISCORD_INTERACTIONS, EMAIL_RECEIVED, REPLIES_READY, *LLM_WORKER.lanes, LLM_WORKER.dlq)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class World:
    """What surrounds the worker under test."""

    kafka: Rig
    llm: LlmServer
    database_url: str
    env: dict[str, str]
    log: Path

    @contextmanager
    def worker(self, env: Mapping[str, str] | None = None) -> Iterator[ServiceProcess]:
        """A worker, ready, for the block."""
        with service("llm_worker", {**self.env, **(env or {})}, self.log) as process:
            yield process

    def models(self, text: str) -> None:
        """Give the workers started from now on this ``llm.yaml`` instead of the repository's."""
        folder = self.log.parent / "config"
        shutil.copytree(REPOSITORY / "deploy" / "config", folder, dirs_exist_ok=True)
        (folder / "llm.yaml").write_text(text, encoding="utf-8")
        self.env["POSTA_CONFIG_DIR"] = str(folder)

    async def ask(self, *events: Event[Any]) -> None:
        """Put questions where ingress and email-poller put them, with a trace."""
        for event in events:
            topic = EMAIL_RECEIVED if event.id.startswith("email:") else DISCORD_INTERACTIONS
            await self.send(encode(event, {"traceparent": TRACEPARENT}), topic.name)

    async def send(self, wire: Wire, topic: str = DISCORD_INTERACTIONS.name) -> None:
        """Put any record into a topic."""
        await self.kafka.producer.publish(topic, [wire], timeout_s=10)

    async def replies(self, count: int, *, timeout_s: float = 30) -> list[Event[Any]]:
        """The first ``count`` replies; fails when there are fewer in time."""
        records = await self.kafka.read(REPLIES_READY.name, count=count, timeout_s=timeout_s)
        assert len(records) >= count, f"{len(records)} of {count} replies; the worker said:\n{self._tail()}"
        return [decode(key=r.key, value=r.value, headers=r.headers) for r in records]

    async def records(
        self, topic: str, count: int, *, timeout_s: float = 10
    ) -> list["ConsumerRecord[bytes, bytes]"]:
        """The first ``count`` raw records of a topic; fewer if there are no more in time."""
        return await self.kafka.read(topic, count=count, timeout_s=timeout_s)

    async def rows(self) -> dict[str, asyncpg.Record]:
        """The table ``answer`` by event id."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return {row["event_id"]: row for row in await connection.fetch("SELECT * FROM answer")}
        finally:
            await connection.close()

    def until(self, holds: Callable[[], bool], *, within_s: float = 20) -> None:
        """Wait until ``holds()``; fail with the worker's last words when it does not in time."""
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline, f"did not come true; the worker said:\n{self._tail()}"
            time.sleep(0.02)

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])


@asynccontextmanager
async def world(
    bootstrap_servers: str, topic_prefix: str, database_url: str, tmp_path: Path
) -> AsyncIterator[World]:
    """Topics and tables made, the LLM listening, the producer connected; the worker not yet started."""
    settings = KafkaSettings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix, partitions=2)
    await apply(settings, TOPICS)
    await migrate(database_url)
    with llm_server() as llm:
        env = {
            "POSTA_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
            "POSTA_KAFKA__TOPIC_PREFIX": topic_prefix,
            "POSTA_KAFKA__SESSION_TIMEOUT_S": "6",
            "POSTA_DATABASE__URL": database_url,
            "POSTA_LLM__BASE_URL": llm.base_url,
            "POSTA_LLM__API_KEY": "sk-very-secret-key",
            "POSTA_LLM__MODEL": "test",
            "POSTA_LLM__LEASE_S": "2",
            "POSTA_RETRY__BASE_S": "0.3",
            "POSTA_RETRY__CAP_S": "1",
        }
        async with Producer(settings, client_id="rig") as producer:
            yield World(
                kafka=Rig(settings=settings, producer=producer),
                llm=llm,
                database_url=database_url,
                env=env,
                log=tmp_path / "llm_worker.log",
            )
