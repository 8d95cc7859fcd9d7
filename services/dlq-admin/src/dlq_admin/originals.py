"""Finds the whole original of a truncated dead letter, where Kafka still has it.

pointer (topic, partition, offset, size, SHA-256) ─▶ look ─┬─ there: the very bytes that failed
                                                           ├─ gone: its topic's retention has passed
                                                           ├─ another: the topic was made anew
                                                           └─ unknown: Kafka does not answer
"""

import asyncio
import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from dlq_admin.dead_letter import Bytes, Reading
from posta.domain.envelope import header
from posta.domain.truncation import SHA256, SIZE
from posta.engine.partition import headers_of
from posta.errors import PostaError
from posta.kafka.connection import connection_options
from posta.settings import KafkaSettings
from posta.tasks import within
from posta.telemetry.logs import get_logger
from posta.topics import GROUPS

log = get_logger(__name__)
_LOOK_S = 8.0
_STOP_S = 5.0
_AT_ONCE = 2
_READ_BY = {group.name: frozenset(topic.name for topic in group.reads) for group in GROUPS}


class Found(StrEnum):
    """What became of the original."""

    THERE = "there"
    GONE = "gone"
    """Its topic's retention has passed, or the topic is no more."""
    ANOTHER = "another"
    """At its place is a record of another size or SHA-256: the topic was made anew."""
    UNKNOWN = "unknown"
    """Kafka does not answer now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Where the whole record is, and how to tell that it is the one."""

    topic: str
    partition: int
    offset: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The end of a look; ``record`` where ``found`` is ``THERE``."""

    found: Found
    record: Bytes | None = None


class Originals(Protocol):
    """Where originals are looked for: Kafka, or a fake in tests."""

    async def look(self, reading: Reading, record: Bytes) -> Whole:
        """The original of a truncated dead letter, in bounded time."""
        ...


def pointer_of(reading: Reading, record: Bytes) -> Pointer | None:
    """What a truncated dead letter says of its original; None: nothing that can be relied on."""
    size, digest = header(record.headers, SIZE), header(record.headers, SHA256)
    is_ours = reading.original_topic in _READ_BY.get(reading.group, ())
    if size is None or not size.isdecimal() or digest is None or not is_ours:
        return None
    return Pointer(
        topic=reading.original_topic,
        partition=reading.original_partition,
        offset=reading.original_offset,
        size=int(size),
        sha256=digest,
    )


class KafkaOriginals:
    """Reads single records, by clients without a group; two at once."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def look(self, reading: Reading, record: Bytes) -> Whole:
        """See ``Originals.look``."""
        pointer = pointer_of(reading, record)
        if pointer is None:
            return Whole(found=Found.GONE)
        try:
            async with self._turns:
                found = await self._read(pointer)
        except (TimeoutError, KafkaError, PostaError) as exc:
            log.warning("original_not_looked_for", error=type(exc).__name__, topic=pointer.topic)
            return Whole(found=Found.UNKNOWN)
        return _judged(pointer, found)

    async def _read(self, pointer: Pointer) -> ConsumerRecord | None:
        """The record at the pointer; None when Kafka has it no more."""
        consumer = AIOKafkaConsumer(
            **connection_options(self._settings, client_id="dlq-admin-originals"),
            enable_auto_commit=False,
            auto_offset_reset="none",
            request_timeout_ms=int(_LOOK_S * 1000),
        )
        try:
            return await within(_LOOK_S, _fetched(consumer, pointer, prefix=self._settings.topic_prefix))
        finally:
            await within(_STOP_S, consumer.stop())


async def _fetched(consumer: AIOKafkaConsumer, pointer: Pointer, *, prefix: str) -> ConsumerRecord | None:
    await consumer.start()
    tp = TopicPartition(prefix + pointer.topic, pointer.partition)
    if tp.topic not in await consumer.topics():
        return None
    consumer.assign([tp])
    begin = (await consumer.beginning_offsets([tp]))[tp]
    end = (await consumer.end_offsets([tp]))[tp]
    if not begin <= pointer.offset < end:
        return None
    consumer.seek(tp, pointer.offset)
    while True:
        batches = await consumer.getmany(tp, timeout_ms=500, max_records=1)
        for record in batches.get(tp, ()):
            # Compaction or a deleted record leaves gaps: the next one is not it.
            return record if record.offset == pointer.offset else None


def _judged(pointer: Pointer, found: ConsumerRecord | None) -> Whole:
    if found is None:
        return Whole(found=Found.GONE)
    value = found.value or b""
    if len(value) != pointer.size or hashlib.sha256(value).hexdigest() != pointer.sha256:
        return Whole(found=Found.ANOTHER)
    return Whole(found=Found.THERE, record=Bytes(key=found.key, value=found.value, headers=headers_of(found)))
