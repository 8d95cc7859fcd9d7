"""Writes a load to Kafka: all at once in large batches, or at its own pace."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from posta_cli.bench.load import Item, Load, items

_CHUNK = 50_000
_TICK_S = 0.02
_BATCH_BYTES = 256 * 1024


async def feed(bootstrap: str, topic: str, load: Load, partitions: int) -> None:
    """Write the whole load, confirmed; with a rate, each record when it is due."""
    async with _producer(bootstrap) as producer:
        if load.rate:
            await _paced(producer, topic, load, partitions)
        else:
            await _at_once(producer, topic, load, partitions)


async def _at_once(producer: AIOKafkaProducer, topic: str, load: Load, partitions: int) -> None:
    stream = items(load, partitions)
    while chunk := list(itertools.islice(stream, _CHUNK)):
        await _write(producer, topic, chunk)


async def _paced(producer: AIOKafkaProducer, topic: str, load: Load, partitions: int) -> None:
    stream = list(items(load, partitions))
    started, written = time.monotonic(), 0
    while written < len(stream):
        due = (time.monotonic() - started) * load.rate
        end = written
        while end < len(stream) and stream[end].position <= due:
            end += 1
        await _write(producer, topic, stream[written:end])
        written = end
        await asyncio.sleep(_TICK_S)


async def _write(producer: AIOKafkaProducer, topic: str, chunk: list[Item]) -> None:
    """Write in order, in batches per partition, and wait until all are confirmed."""
    pending = []
    batches: dict[int, BatchBuilder] = {}
    for item in chunk:
        batch = batches.setdefault(item.partition, producer.create_batch())
        if not _append(batch, item):
            pending.append(await _send(producer, topic, item.partition, batch))
            batches[item.partition] = producer.create_batch()
            _append(batches[item.partition], item)
    for partition, batch in batches.items():
        pending.append(await _send(producer, topic, partition, batch))
    await asyncio.gather(*pending)


def _append(batch: BatchBuilder, item: Item) -> bool:
    written = batch.append(key=item.key, value=item.value, timestamp=None, headers=list(item.headers))
    return written is not None


async def _send(
    producer: AIOKafkaProducer, topic: str, partition: int, batch: BatchBuilder
) -> asyncio.Future[object]:
    batch.close()
    sent: asyncio.Future[object] = await producer.send_batch(batch, topic, partition=partition)
    return sent


@asynccontextmanager
async def _producer(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=False,
        max_batch_size=_BATCH_BYTES,
        max_request_size=8 * _BATCH_BYTES,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
