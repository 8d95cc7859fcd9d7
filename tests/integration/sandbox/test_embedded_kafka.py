"""A real broker: what survives, what it refuses, what it leaves behind."""

import asyncio
import signal

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

pytestmark = pytest.mark.integration


async def write(servers: str, topic: str, value: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        if topic not in await admin.list_topics():
            await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def read_all(servers: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_records_and_port_survive_a_stop_and_a_kill(own_kafka):
    kafka = own_kafka()
    await kafka.start()
    first = kafka.bootstrap_servers
    await write(first, "kept", b"before the stop")
    await kafka.stop()
    assert kafka.pid is None

    await kafka.start()
    await write(first, "kept", b"before the kill")
    kafka.signal(signal.SIGKILL)
    assert await kafka.wait() == -signal.SIGKILL

    await kafka.start()
    assert kafka.bootstrap_servers == first
    assert await read_all(first, "kept", 2) == [b"before the stop", b"before the kill"]
