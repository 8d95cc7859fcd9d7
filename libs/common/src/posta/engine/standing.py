"""Reads who stands in the lanes: what is between the group's commit and the end, keys and headers only."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from aiokafka.structs import OffsetAndMetadata

from posta.domain.commit_metadata import decode
from posta.domain.failure import read_delivery
from posta.domain.key_order import Waiting
from posta.engine.forbidden import refused_by
from posta.engine.partition import headers_of
from posta.errors import Transient
from posta.kafka.connection import connection_options
from posta.settings import KafkaSettings
from posta.tasks import within

_MOST_RECORDS = 500
_STILL_S = 10.0
"""So long without a record the reading is given up, to be begun again."""
_STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class Standing:
    """Who stands in the lanes."""

    found: dict[int, list[Waiting]] = field(default_factory=dict)
    """The unfinished keyed records by partition number."""
    unread: frozenset[TopicPartition] = frozenset()
    """Lanes in which somebody stands and that may not be read."""


async def standing(
    settings: KafkaSettings,
    *,
    lanes: Collection[TopicPartition],
    stored: Mapping[TopicPartition, OffsetAndMetadata],
    client_id: str,
) -> Standing:
    """Read ``lanes`` from ``stored``, which the group has committed, to the end that Kafka names at the call.

    It takes a client without a group. Raises ``Transient`` when Kafka is silent for 10 s.
    """
    consumer = AIOKafkaConsumer(
        **connection_options(settings, client_id=client_id),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=int(settings.request_timeout_s * 1000),
    )
    try:
        async with asyncio.timeout(_STILL_S):
            await consumer.start()
        return await _read(consumer, lanes, stored, prefix=settings.topic_prefix)
    except (TimeoutError, KafkaError) as exc:
        raise Transient(f"the lanes cannot be read: {type(exc).__name__}: {exc}") from exc
    finally:
        try:
            await within(_STOP_S, consumer.stop())
        except (TimeoutError, KafkaError) as exc:
            raise Transient(f"the reader of the lanes does not stop: {type(exc).__name__}") from exc


async def _read(
    consumer: AIOKafkaConsumer,
    lanes: Collection[TopicPartition],
    stored: Mapping[TopicPartition, OffsetAndMetadata],
    *,
    prefix: str,
) -> Standing:
    found: dict[int, list[Waiting]] = {}
    async with asyncio.timeout(_STILL_S):
        ends = await consumer.end_offsets(lanes)
        begins = await consumer.beginning_offsets(lanes)
    starts = {tp: max(begins[tp], stored[tp].offset if tp in stored else 0) for tp in lanes}
    finished = {tp: decode(stored[tp].offset, stored[tp].metadata) for tp in lanes if tp in stored}
    left = {tp for tp in lanes if _unfinished(starts[tp], ends[tp], finished.get(tp, frozenset()))}
    if not left:
        return Standing()
    unread: set[TopicPartition] = set()
    consumer.assign(list(left))
    for tp in left:
        consumer.seek(tp, starts[tp])
    while left:
        try:
            async with asyncio.timeout(_STILL_S):
                batches = await _next(consumer)
        except TopicAuthorizationFailedError as exc:
            refused = {tp for tp in left if tp.topic in refused_by(exc)}
            # aiokafka says it once for each partition.
            if not refused and not unread:
                raise
            consumer.pause(*refused)
            left -= refused
            unread |= refused
            continue
        for tp, records in batches.items():
            found.setdefault(tp.partition, []).extend(
                _waiting(record, prefix)
                for record in records
                if record.key is not None
                and record.offset < ends[tp]
                and record.offset not in finished.get(tp, ())
            )
            if records[-1].offset >= ends[tp] - 1:
                left.discard(tp)
                consumer.pause(tp)
    return Standing(found, frozenset(unread))


def _unfinished(start: int, end: int, finished: frozenset[int]) -> int:
    """How many offsets between are not finished."""
    return end - start - sum(start <= offset < end for offset in finished)


async def _next(consumer: AIOKafkaConsumer) -> dict[TopicPartition, list[ConsumerRecord]]:
    while True:
        batches: dict[TopicPartition, list[ConsumerRecord]] = await consumer.getmany(
            timeout_ms=500, max_records=_MOST_RECORDS
        )
        if batches:
            return batches


def _waiting(record: ConsumerRecord, prefix: str) -> Waiting:
    topic = record.topic.removeprefix(prefix)
    delivery = read_delivery(
        topic=topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp,
        headers=headers_of(record),
    )
    return Waiting(key=record.key, location=(topic, record.offset), delivery=delivery)
