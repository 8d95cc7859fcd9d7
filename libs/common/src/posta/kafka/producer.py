"""Publishes records and says truthfully how that ended: confirmed by acks=all, or not known.

Every wait is bounded. aiokafka's *idempotent* producer never gives a batch up and can die for good
on a sequence error (issues #1101, #1017), so it is not used: a batch that Kafka does not confirm
in time fails, the caller keeps the record, and a double that this may write is recognised by its
event id downstream. A client that is beyond recovery is replaced (traps A14 to A16).
"""

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    ProducerClosed,
    RecordListTooLargeError,
    RecordTooLargeError,
)

from posta.domain.envelope import Wire
from posta.errors import Permanent, Transient
from posta.kafka.connection import connection_options
from posta.settings import KafkaSettings
from posta.tasks import within
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_START_S = 30.0
_STOP_S = 5.0
MAX_REQUEST_BYTES = 2 * 1_048_576
MAX_BATCH_BYTES = 900_000
"""Below what a broker takes by default (message.max.bytes). What a publish has for one partition is one
batch up to this, written whole or not at all: of two the second is written although the first expired,
and what is then repeated comes too late for the order of its key."""
NULL_VALUE_HEADER = "posta-null-value"
"""Marks an empty value that stands for null."""


class TooLarge(Permanent):
    """The broker will never take a record of this size."""

    confirmed: frozenset[int] = frozenset()
    """Which of the records were written all the same, by their place in the call."""


class NoSuchPartition(Permanent):
    """The topic has no partition of the number asked for."""


class PublishFailed(Transient):
    """Kafka did not confirm the record in time; it may have been written all the same."""

    confirmed: frozenset[int] = frozenset()
    """Which of the records were confirmed, by their place in the call."""


class Producer:
    """A producer that outlives its connection; safe for many tasks at once."""

    def __init__(self, settings: KafkaSettings, *, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._client: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def publish(
        self, topic: str, records: Sequence[Wire], *, timeout_s: float, partition: int | None = None
    ) -> None:
        """Write ``records`` to ``topic`` (without the prefix) and wait until all are confirmed.

        They go to ``partition``, or to the one that each key says.

        Raises ``PublishFailed`` when they are not within ``timeout_s``, ``TooLarge`` when one
        exceeds what the broker takes, ``NoSuchPartition`` when the topic has fewer.
        """
        started = time.monotonic()
        outcome = "failed"
        client: AIOKafkaProducer | None = None
        sent: list[asyncio.Future[Any]] = []
        try:
            async with asyncio.timeout(timeout_s):
                client = await self._connected()
                full_name = self._settings.topic_prefix + topic
                if partition is not None and partition not in await client.partitions_for(full_name):
                    raise NoSuchPartition(f"{topic} has no partition {partition}")
                await _send_all(client, full_name, records, partition, sent)
            outcome = "ok"
        except TimeoutError:
            outcome = "unknown"
            await self._replace_if_dead(client, "no answer")
            failed = PublishFailed(f"Kafka did not confirm {topic} in {timeout_s:g} s")
            failed.confirmed = _confirmed(sent)
            raise failed from None
        except (MessageSizeTooLargeError, RecordListTooLargeError, RecordTooLargeError) as exc:
            outcome = "too_large"
            too_large = TooLarge(f"a record for {topic} is larger than Kafka takes: {exc}")
            too_large.confirmed = _confirmed(sent)
            raise too_large from exc
        except KafkaError as exc:
            await self._replace_if_dead(client, type(exc).__name__, closed=isinstance(exc, ProducerClosed))
            failed = PublishFailed(f"Kafka refused {topic}: {type(exc).__name__}: {exc}")
            failed.confirmed = _confirmed(sent)
            raise failed from exc
        finally:
            names.PUBLISHED.labels(topic, outcome).inc(len(records))
            names.PUBLISH_SECONDS.labels(topic).observe(time.monotonic() - started)

    async def ready(self, *, timeout_s: float) -> bool:
        """Whether Kafka answers now."""
        try:
            async with asyncio.timeout(timeout_s):
                client = await self._connected()
                await client.client.fetch_all_metadata()
        except (TimeoutError, KafkaError):
            return False
        return True

    async def close(self) -> None:
        """Give up what is unconfirmed after a bounded wait, and disconnect."""
        client, self._client = self._client, None
        if client is not None:
            await _stop(client)

    async def _connected(self) -> AIOKafkaProducer:
        if self._client is not None:
            return self._client
        async with self._starting:
            # Another task may have connected while this one waited for its turn.
            client = self._current()
            if client is not None:
                return client
            client = AIOKafkaProducer(
                **connection_options(self._settings, client_id=self._client_id),
                acks="all",
                enable_idempotence=False,
                linger_ms=0,
                max_batch_size=MAX_BATCH_BYTES,
                max_request_size=MAX_REQUEST_BYTES,
                # Also the life of a batch that no broker takes.
                request_timeout_ms=int(self._settings.request_timeout_s * 1000),
            )
            try:
                # In a task of its own: what waits for this is bounded, and start() may swallow that.
                await within(_START_S, client.start())
            except BaseException:
                await _stop(client)
                raise
            self._client = client
            return client

    def _current(self) -> AIOKafkaProducer | None:
        return self._client

    async def _replace_if_dead(
        self, client: AIOKafkaProducer | None, why: str, *, closed: bool = False
    ) -> None:
        """Drop ``client`` if it is ``closed`` or its sender has ended (A15); many publishes may find out."""
        if client is None or client is not self._client:
            return
        sender = getattr(client, "_sender", None)
        task = getattr(sender, "sender_task", None)
        if closed or (task is not None and task.done()):
            log.error("producer_dead_replaced", error=why)
            names.PRODUCER_REBUILT.inc()
            await self.close()


def _fields(wire: Wire) -> dict[str, Any]:
    """What aiokafka's ``send`` is given; it refuses a record with neither key nor value."""
    if wire.key is None and wire.value is None:
        return {"value": b"", "headers": [*wire.headers, (NULL_VALUE_HEADER, b"1")]}
    return {"key": wire.key, "value": wire.value, "headers": list(wire.headers)}


async def _send_all(
    client: AIOKafkaProducer,
    topic: str,
    records: Sequence[Wire],
    partition: int | None,
    sent: list[asyncio.Future[Any]],
) -> None:
    """Send ``records``, noted in ``sent``, and wait for all of them; raises the first error after that."""
    try:
        for record in records:
            sent.append(await client.send(topic, partition=partition, **_fields(record)))  # noqa: PERF401 - kept when one fails
    finally:
        # Those on their way are written whatever became of the next one: who retries must know of them.
        ends = await asyncio.gather(*sent, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end


def _confirmed(sent: Sequence[asyncio.Future[Any]]) -> frozenset[int]:
    return frozenset(
        place
        for place, one in enumerate(sent)
        if one.done() and not one.cancelled() and one.exception() is None
    )


async def _stop(client: AIOKafkaProducer) -> None:
    try:
        await within(_STOP_S, client.stop())
    except (TimeoutError, KafkaError) as exc:
        log.warning("producer_stop_unclean", error=type(exc).__name__)
