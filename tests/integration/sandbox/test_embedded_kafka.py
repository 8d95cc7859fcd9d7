"""A real broker: what survives, what it refuses, what it leaves behind."""

import asyncio
import signal
import socket
import subprocess
import sys

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from posta_sandbox.embedded.errors import HomeUnusable, JarsUnavailable, PortInUse
from posta_sandbox.embedded.jars import JarStore
from posta_sandbox.embedded.kafka import EmbeddedKafka, can_create_topics

pytestmark = pytest.mark.integration

PARENT = """
import asyncio, sys, time
from pathlib import Path
from posta_sandbox.embedded.kafka import EmbeddedKafka
kafka = EmbeddedKafka(Path(sys.argv[1]))
asyncio.run(kafka.start())
print(kafka.pid, flush=True)
time.sleep(60)
"""


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


async def test_two_brokers_side_by_side_are_two_clusters(own_kafka, kafka):
    other = own_kafka()
    await other.start()
    assert other.bootstrap_servers != kafka.bootstrap_servers
    await write(other.bootstrap_servers, "only-here", b"x")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        assert "only-here" not in await admin.list_topics()
    finally:
        await admin.close()


async def test_a_broker_that_is_frozen_answers_again_when_thawed(own_kafka):
    kafka = own_kafka()
    await kafka.start()
    kafka.signal(signal.SIGSTOP)
    assert not await can_create_topics(kafka.bootstrap_servers)
    kafka.signal(signal.SIGCONT)
    async with asyncio.timeout(20):
        while not await can_create_topics(kafka.bootstrap_servers):  # noqa: ASYNC110  # a server
            await asyncio.sleep(0.1)


async def test_the_readiness_probe_creates_nothing(kafka):
    assert await can_create_topics(kafka.bootstrap_servers)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        assert "posta-readiness-probe" not in await admin.list_topics()
    finally:
        await admin.close()


async def test_a_port_in_use_that_was_asked_for_is_named(own_kafka):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"port {port} .* in use"):
            await own_kafka(port=port).start()


async def test_a_home_in_use_is_refused_and_its_server_left_alone(own_kafka):
    first = own_kafka(name="shared")
    await first.start()
    with pytest.raises(HomeUnusable, match="in use"):
        await own_kafka(name="shared").start()
    assert first.pid is not None


async def test_a_home_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HomeUnusable, match="cannot write the state folder"):
        await EmbeddedKafka(tmp_path / "file" / "kafka").start()


async def test_a_missing_registry_with_an_empty_cache_is_one_clear_error(own_kafka, tmp_path, monkeypatch):
    monkeypatch.setenv("POSTA_CACHE", str(tmp_path / "empty"))
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(JarsUnavailable, match="check the network or the proxy"):
        await own_kafka().start()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_the_broker_dies_with_its_parent_and_its_home_can_be_used_again(tmp_path):
    home = tmp_path / "kafka"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(home)], stdout=subprocess.PIPE, text=True
    ) as parent:
        broker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        parent.wait()
        assert psutil.wait_procs([broker], timeout=5)[1] == []

    async def start_again() -> None:
        async with EmbeddedKafka(home) as kafka:
            assert kafka.pid is not None

    asyncio.run(start_again())


async def test_after_the_first_start_no_network_is_needed(own_kafka, kafka, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert len(await JarStore().class_path("kafka")) > 40
    broker = own_kafka()
    await broker.start()
    assert broker.pid is not None
