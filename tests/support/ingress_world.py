"""Ingress as a process on a real Kafka, people who press Enter, and what reached the topics."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from support.discord_caller import DiscordCaller, ask
from support.processes import ServiceProcess

from posta.auth import describe_key, new_key
from posta.domain.envelope import header
from posta.kafka.topics import apply
from posta.settings import KafkaSettings

DISCORD_PATIENCE_S = 3.0


@dataclass
class Tally:
    """What the people saw."""

    deferred: dict[str, list[str]] = field(default_factory=dict)
    """By person: the event ids that were acknowledged, in the order of asking."""
    refused: int = 0
    """Answered "busy"."""
    unanswered: int = 0
    """No HTTP answer at all, as while the process is down."""
    slowest_s: float = 0.0

    @property
    def acknowledged(self) -> set[str]:
        return {event_id for ids in self.deferred.values() for event_id in ids}


class IngressWorld:
    """One ingress process with its log in ``folder`` and its spool in ``state``, and the means to try it."""

    def __init__(self, folder: Path, state: Path, bootstrap_servers: str, prefix: str, **env: str) -> None:
        self.caller = DiscordCaller()
        self.api_key = new_key()
        self.admin_key = new_key()
        self.kafka = KafkaSettings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix)
        self.state = state
        self.process = ServiceProcess(
            "ingress",
            {
                "POSTA_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
                "POSTA_KAFKA__TOPIC_PREFIX": prefix,
                "POSTA_STATE_DIR": str(self.state),
                "POSTA_DISCORD__PUBLIC_KEYS": self.caller.public_key,
                # Whose people ask many times a second; a test of the limits switches them on.
                "POSTA_GOVERNOR__ENABLED": "false",
                "POSTA_API_KEYS": ",".join(
                    describe_key(key, name=name, scopes=frozenset(scopes))
                    for key, name, scopes in (
                        (self.api_key, "tests", {"events:publish"}),
                        (self.admin_key, "admin", {"governor:read", "interactions:read"}),
                    )
                ),
                **env,
            },
            folder / "ingress.log",
        )

    async def make_topics(self) -> None:
        await apply(self.kafka)

    async def start(self) -> None:
        self.process.start()
        await asyncio.to_thread(self.process.wait_ready)

    async def terminate(self) -> int:
        return await asyncio.to_thread(self.process.terminate)

    async def interact(self, client: httpx.AsyncClient, body: dict[str, Any]) -> httpx.Response:
        return await client.post(
            f"{self.process.url}/discord-interactions", **self.caller.request(body), timeout=10
        )

    async def publish(self, client: httpx.AsyncClient, body: Any, **headers: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.api_key}", **headers}
        return await client.post(f"{self.process.url}/v1/events", json=body, headers=headers, timeout=10)

    async def look_up(self, path: str) -> httpx.Response:
        """What an operator with the admin's key is told."""
        async with httpx.AsyncClient() as client:
            headers = {"authorization": f"Bearer {self.admin_key}"}
            return await client.get(f"{self.process.url}{path}", headers=headers, timeout=10)

    @contextlib.asynccontextmanager
    async def load(self, *, people: int = 12, pause_s: float = 0.02) -> AsyncIterator[Tally]:
        """People who ask one question after the other while the block runs."""
        tally = Tally()
        stop = asyncio.Event()
        # Below the 5 s after which the server closes an idle connection, so that none is used too late.
        limits = httpx.Limits(keepalive_expiry=2)
        async with httpx.AsyncClient(limits=limits) as client, asyncio.TaskGroup() as group:
            for number in range(people):
                group.create_task(self._person(client, f"7{number:03}", tally, stop, pause_s))
            try:
                yield tally
            finally:
                stop.set()

    async def _person(
        self, client: httpx.AsyncClient, person: str, tally: Tally, stop: asyncio.Event, pause_s: float
    ) -> None:
        mine = tally.deferred.setdefault(person, [])
        while not stop.is_set():
            body = ask(person=person)
            started = time.monotonic()
            try:
                response = await self.interact(client, body)
            except httpx.TransportError:
                tally.unanswered += 1
                await asyncio.sleep(0.1)
                continue
            tally.slowest_s = max(tally.slowest_s, time.monotonic() - started)
            if response.json().get("type") == 5:
                mine.append(f"discord:{body['id']}")
            else:
                tally.refused += 1
            await asyncio.sleep(pause_s)

    async def metric(self, name: str) -> float:
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"{self.process.url}/metrics", timeout=10)).text
        return sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith((name + " ", name + "{"))
        )

    async def until_drained(self, timeout_s: float = 40) -> None:
        async with asyncio.timeout(timeout_s):
            while await self.metric("posta_spool_messages") > 0:  # noqa: ASYNC110 - it is in another process
                await asyncio.sleep(0.1)

    def spooled(self) -> list[str]:
        """Event ids in the spool's file, in order; only while no ingress runs."""
        connection = sqlite3.connect(self.state / "ingress" / "spool.sqlite3")
        rows = connection.execute("SELECT event_id FROM spool ORDER BY seq").fetchall()
        connection.close()
        return [row[0] for row in rows]

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """Everything in the topic now, by partition and offset."""
        name = self.kafka.topic_prefix + topic
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka.bootstrap_servers, enable_auto_commit=False, group_id=None
        )
        await consumer.start()
        try:
            numbers = await _partitions(consumer, name)
            parts = [TopicPartition(name, number) for number in numbers]
            ends = await consumer.end_offsets(parts)
            consumer.assign(parts)
            for part in parts:
                consumer.seek(part, 0)
            return await _read_to(consumer, ends)
        finally:
            await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, name: str) -> Sequence[int]:
    async with asyncio.timeout(10):
        while not (found := consumer.partitions_for_topic(name)):
            consumer._client.add_topic(name)
            await consumer._client.force_metadata_update()
    return sorted(found)


async def _read_to(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> list[ConsumerRecord]:
    records: list[ConsumerRecord] = []
    async with asyncio.timeout(30):
        for part, end in ends.items():
            while await consumer.position(part) < end:
                found = await consumer.getmany(part, timeout_ms=200)
                records.extend(record for batch in found.values() for record in batch)
    return sorted(records, key=lambda record: (record.partition, record.offset))


def order_by_key(records: list[ConsumerRecord]) -> dict[str, list[str]]:
    """Event ids by record key, each at its first occurrence: a double is recognised by its id."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        found.setdefault(record.key.decode(), {})[header(record.headers, "ce_id") or ""] = None
    return {key: list(ids) for key, ids in found.items()}


def assert_nothing_lost_and_in_order(tally: Tally, records: list[ConsumerRecord]) -> None:
    """Every acknowledged event is there, and each person's in the order they asked."""
    arrived = order_by_key(records)
    for person, asked in tally.deferred.items():
        (key,) = [key for key in arrived if key.endswith(f":{person}")] or [""]
        theirs = [event_id for event_id in arrived.get(key, []) if event_id in set(asked)]
        missing = [event_id for event_id in asked if event_id not in theirs]
        assert not missing, (
            f"{len(missing)} of {len(asked)} acknowledged events of {person} are lost: {missing[:5]}"
        )
        early = [(was, now) for was, now in zip(asked, theirs, strict=True) if was != now]
        assert not early, (
            f"{len(early)} of {len(asked)} events of {person} are out of order: {early[:5]};"
            f" all of them, as (partition, offset, id): {places(records, key)}"
        )


def places(records: list[ConsumerRecord], key: str) -> list[tuple[int, int, str | None]]:
    """Where the records of ``key`` are."""
    return [
        (record.partition, record.offset, header(record.headers, "ce_id"))
        for record in records
        if record.key.decode() == key
    ]
