"""The bare aiokafka loop: the ceiling, for it keeps no order across handlers and retries nothing.

Modes: ``raw`` and ``decoded`` call the handler in place for each fetched record; ``one-at-a-time``
runs one handler per partition at a time, each sleeping for ``handler_s``.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvloop
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from posta.domain.envelope import decode
from posta_cli.bench.tally import Tally
from posta_cli.bench.task import Task, read_task, write_result

Batches = dict[TopicPartition, list[ConsumerRecord]]
_COMMIT_S = 1.0
_POLL_MS = 200


async def consume(task: Task) -> None:
    """Handle the topic, commit once a second, report."""
    done = asyncio.Event()
    tally = Tally(task.ends, handler_s=task.handler_s, done=done.set)
    async with _consumer(task) as consumer:
        asyncio.get_running_loop().call_later(task.limit_s, done.set)
        if task.mode == "one-at-a-time":
            await _one_at_a_time(task, consumer, tally, done)
        else:
            await _in_place(consumer, _HANDLERS[task.mode](tally), done)
        write_result(task.result, tally.result())
        await consumer.commit()


@asynccontextmanager
async def _consumer(task: Task) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        task.topic,
        bootstrap_servers=task.bootstrap,
        group_id=task.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def _raw(tally: Tally) -> Callable[[list[ConsumerRecord]], None]:
    def handle(records: list[ConsumerRecord]) -> None:
        for record in records:
            tally.note(record.partition, record.offset)

    return handle


def _decoded(tally: Tally) -> Callable[[list[ConsumerRecord]], None]:
    def handle(records: list[ConsumerRecord]) -> None:
        for record in records:
            decode(key=record.key, value=record.value, headers=record.headers)
            tally.note(record.partition, record.offset)

    return handle


_HANDLERS = {"raw": _raw, "decoded": _decoded}


async def _in_place(
    consumer: AIOKafkaConsumer, handle: Callable[[list[ConsumerRecord]], None], done: asyncio.Event
) -> None:
    loop = asyncio.get_running_loop()
    next_commit = loop.time() + _COMMIT_S
    while not done.is_set():
        batches: Batches = await consumer.getmany(timeout_ms=_POLL_MS)
        for records in batches.values():
            handle(records)
        if loop.time() >= next_commit:
            await consumer.commit()
            next_commit = loop.time() + _COMMIT_S


async def _one_at_a_time(task: Task, consumer: AIOKafkaConsumer, tally: Tally, done: asyncio.Event) -> None:
    async def partition(number: int) -> None:
        tp = TopicPartition(task.topic, number)
        while not done.is_set():
            batches: Batches = await consumer.getmany(tp, timeout_ms=_POLL_MS)
            for record in batches.get(tp, ()):
                await asyncio.sleep(task.handler_s)
                tally.note(record.partition, record.offset)

    running = [asyncio.create_task(partition(number)) for number in range(len(task.ends))]
    await done.wait()
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)


if __name__ == "__main__":
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(consume(read_task(sys.argv[1:])))
