"""Notifier as a process among real Kafka, real PostgreSQL, the sandbox's Discord and real mail."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord
from support.deliveries import discord_reply
from support.engine_rig import Rig
from support.processes import ServiceProcess, service
from support.sandbox_server import Sandbox

from posta.domain.envelope import Event, Wire, encode
from posta.domain.payloads import DiscordTarget, ReplyReady
from posta.kafka.producer import Producer
from posta.kafka.topics import apply
from posta.postgres.migrations import migrate
from posta.settings import KafkaSettings
from posta.topics import EVENTS_PUBLISHED, NOTIFIER, REPLIES_READY
from posta_sandbox.discord.interaction import Interaction

TOPICS = (*NOTIFIER.reads, *NOTIFIER.lanes, NOTIFIER.dlq)


@dataclass
class World:
    """What surrounds the notifier under test."""

    kafka: Rig
    sandbox: Sandbox
    database_url: str
    env: dict[str, str]
    log: Path

    @contextmanager
    def notifier(self, env: Mapping[str, str] | None = None) -> Iterator[ServiceProcess]:
        """A notifier, ready, for the block."""
        with service("notifier", {**self.env, **(env or {})}, self.log) as process:
            yield process

    def answer(self, text: str, *, number: int = 0, **fields: Any) -> tuple[Interaction, Event[ReplyReady]]:
        """Somebody who is told "thinking…", and the answer for them."""
        interaction = self.sandbox.thinking()
        target = DiscordTarget(
            interaction_id=interaction.id,
            application_id=self.sandbox.application_id,
            token=interaction.token,
        )
        event = discord_reply(number, text, at=fields.pop("at", None), target=target, **fields)
        return interaction, Event(
            id=f"discord:{interaction.id}/answer",
            source=event.source,
            time=event.time,
            key=f"discord:g:{interaction.id}",
            data=event.data,
            expires_at=event.expires_at,
        )

    async def feed(self, *events: Event[Any]) -> None:
        """Put deliveries where the other services put them."""
        await asyncio.gather(*(self.send(encode(event), _topic_of(event)) for event in events))

    async def send(self, wire: Wire, topic: str) -> None:
        """Put any record into a topic."""
        await self.kafka.producer.publish(topic, [wire], timeout_s=10)

    async def dead_letters(
        self, count: int, *, timeout_s: float = 15
    ) -> list["ConsumerRecord[bytes, bytes]"]:
        """The first ``count`` dead letters; fewer if there are no more in time."""
        return await self.kafka.read(NOTIFIER.dlq.name, count=count, timeout_s=timeout_s)

    async def rows(self) -> dict[str, asyncpg.Record]:
        """The table ``delivery`` by event id."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return {row["event_id"]: row for row in await connection.fetch("SELECT * FROM delivery")}
        finally:
            await connection.close()

    async def all_sent(self, count: int, *, within_s: float = 30) -> None:
        """Wait until the ledger holds ``count`` deliveries and all are sent."""
        deadline = time.monotonic() + within_s
        while True:
            states = [row["state"] for row in (await self.rows()).values()]
            if len(states) == count and set(states) == {"sent"}:
                return
            assert time.monotonic() < deadline, f"{states}; the notifier said:\n{self.tail()}"
            await asyncio.sleep(0.05)

    async def until(self, holds: Callable[[], bool], *, within_s: float = 30) -> None:
        """Wait until ``holds()``; fail with the notifier's last words when it does not in time."""
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline, f"did not come true; the notifier said:\n{self.tail()}"
            await asyncio.sleep(0.02)

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])


def _topic_of(event: Event[Any]) -> str:
    return REPLIES_READY.name if isinstance(event.data, ReplyReady) else EVENTS_PUBLISHED.name


def moment(seconds: float) -> datetime:
    """Seconds since the epoch as a time in UTC."""
    return datetime.fromtimestamp(seconds).astimezone()


@asynccontextmanager
async def notifier_world(
    bootstrap_servers: str,
    topic_prefix: str,
    database_url: str,
    sandbox: Sandbox,
    tmp_path: Path,
    *,
    partitions: int = 2,
) -> AsyncIterator[World]:
    """Topics and tables made, the producer connected; the notifier not yet started."""
    settings = KafkaSettings(
        bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix, partitions=partitions
    )
    await apply(settings, TOPICS)
    await migrate(database_url)
    env = {
        "POSTA_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
        "POSTA_KAFKA__TOPIC_PREFIX": topic_prefix,
        "POSTA_KAFKA__SESSION_TIMEOUT_S": "6",
        "POSTA_DATABASE__URL": database_url,
        "POSTA_DISCORD__API_URL": sandbox.api_url,
        "POSTA_WEBHOOK_OPS": sandbox.webhook_url,
    }
    async with Producer(settings, client_id="rig") as producer:
        yield World(
            kafka=Rig(settings=settings, producer=producer),
            sandbox=sandbox,
            database_url=database_url,
            env=env,
            log=tmp_path / "notifier.log",
        )
