"""FastStream's subscriber, in the peers' own environment (see ``requirements-bench.txt``).

Modes: ``ack-first`` is its default, ``ack-after`` acknowledges after the handler, ``unordered`` is
the default with ``concurrency`` workers. It runs at its best: without type coercion, and with a decoder
that hands the record over as it is; asking for ``KafkaMessage`` by annotation made it five times slower.
"""

import asyncio
import sys

import uvloop
from aiokafka import ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from posta_cli.bench.tally import Tally
from posta_cli.bench.task import Task, read_task, write_result


async def _as_it_is(message: KafkaMessage) -> ConsumerRecord:
    return message.raw_message


async def consume(task: Task) -> None:
    """Subscribe, handle the topic, report."""
    done = asyncio.Event()
    tally = Tally(task.ends, handler_s=task.handler_s, done=done.set)
    broker = KafkaBroker(task.bootstrap, logger=None, apply_types=False, decoder=_as_it_is)
    subscribe = broker.subscriber(
        task.topic,
        group_id=task.group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.ACK if task.mode == "ack-after" else AckPolicy.ACK_FIRST,
        max_workers=task.concurrency if task.mode == "unordered" else None,
    )

    async def instant(record: ConsumerRecord) -> None:
        tally.note(record.partition, record.offset)

    async def sleeping(record: ConsumerRecord) -> None:
        await asyncio.sleep(task.handler_s)
        tally.note(record.partition, record.offset)

    subscribe(sleeping if task.handler_s else instant)
    asyncio.get_running_loop().call_later(task.limit_s, done.set)
    async with broker:
        await broker.start()
        await done.wait()
        write_result(task.result, tally.result())


if __name__ == "__main__":
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(consume(read_task(sys.argv[1:])))
