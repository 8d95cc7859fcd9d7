"""The producer says truthfully how a publish ended, whatever the broker does."""

import asyncio
import signal
import time

import pytest
from aiokafka.errors import KafkaTimeoutError
from aiokafka.producer.sender import SendProduceReqHandler
from support.engine_rig import RESULTS, rig

from posta.domain.envelope import Wire
from posta.kafka.producer import NULL_VALUE_HEADER, Producer, PublishFailed, TooLarge
from posta.settings import KafkaSettings

pytestmark = pytest.mark.integration
RECORD = Wire(key=b"k", value=b"v", headers=(("h", b"1"),))


async def test_a_confirmed_record_is_there_with_its_key_and_headers(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        await world.producer.publish(RESULTS.name, [RECORD, RECORD], timeout_s=10)
        records = await world.read(RESULTS.name, count=2)
    assert [(r.key, r.value, r.headers) for r in records] == [(b"k", b"v", (("h", b"1"),))] * 2


async def test_a_record_with_neither_key_nor_value_travels_marked(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        await world.producer.publish(RESULTS.name, [Wire(key=None, value=None, headers=())], timeout_s=10)
        (record,) = await world.read(RESULTS.name, count=1)
    assert (record.key, record.value, record.headers) == (None, b"", ((NULL_VALUE_HEADER, b"1"),))


async def test_a_record_beyond_the_brokers_limit_is_refused_for_good(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        with pytest.raises(TooLarge):
            await world.producer.publish(
                RESULTS.name, [Wire(key=b"k", value=b"x" * 1_100_000, headers=())], timeout_s=10
            )
        await world.producer.publish(RESULTS.name, [RECORD], timeout_s=10)
        assert len(await world.read(RESULTS.name, count=1)) == 1


async def test_a_publish_that_fails_in_part_leaves_nothing_of_a_key_out_of_order(
    kafka, topic_prefix, monkeypatch
):
    """A batch that expires must not be overtaken by the next one of its partition (aiokafka sends it on)."""
    refused: list[object] = []
    send = SendProduceReqHandler.do

    async def do(self, node_id):
        if refused:
            return await send(self, node_id)
        refused.extend(self._batches)
        for batch in self._batches.values():
            batch.failure(exception=KafkaTimeoutError())
        return None

    records = [Wire(key=b"k", value=b"%04d" % n + b"x" * 1000, headers=()) for n in range(200)]
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        monkeypatch.setattr(SendProduceReqHandler, "do", do)
        with pytest.raises(PublishFailed):
            await world.producer.publish(RESULTS.name, records, timeout_s=10)
        await world.producer.publish(RESULTS.name, records, timeout_s=10)
        found = await world.read(RESULTS.name, count=len(records))
    first_of_each = list(dict.fromkeys(record.value[:4] for record in found))
    assert refused
    assert first_of_each == [record.value[:4] for record in records]


async def test_a_missing_topic_fails_within_the_limit(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        started = time.monotonic()
        with pytest.raises(PublishFailed):
            await world.producer.publish("no.such.topic", [RECORD], timeout_s=1)
        assert time.monotonic() - started < 2


async def test_without_a_broker_every_call_ends_in_time_and_closing_too():
    settings = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    async with Producer(settings, client_id="t") as producer:
        started = time.monotonic()
        with pytest.raises(PublishFailed):
            await producer.publish("t", [RECORD], timeout_s=1)
        assert not await producer.ready(timeout_s=0.5)
        assert time.monotonic() - started < 3


async def test_a_frozen_broker_gives_an_unknown_outcome_in_time_and_works_again_afterwards(
    own_kafka, topic_prefix
):
    broker = own_kafka()
    await broker.start()
    async with rig(broker.bootstrap_servers, topic_prefix) as world:
        await world.producer.publish(RESULTS.name, [RECORD], timeout_s=10)
        broker.signal(signal.SIGSTOP)
        await asyncio.sleep(0.2)  # all its threads have to take the signal
        started = time.monotonic()
        with pytest.raises(PublishFailed, match="did not confirm"):
            await world.producer.publish(RESULTS.name, [RECORD], timeout_s=0.8)
        assert time.monotonic() - started < 1.5
        broker.signal(signal.SIGCONT)
        await world.producer.publish(RESULTS.name, [RECORD], timeout_s=15)
        records = await world.read(RESULTS.name, count=3, timeout_s=5)
        assert len(records) in {2, 3}, "the unknown one was written or not"


async def test_a_broker_that_crashes_and_returns_takes_records_again(own_kafka, topic_prefix):
    broker = own_kafka()
    await broker.start()
    async with rig(broker.bootstrap_servers, topic_prefix) as world:
        await world.producer.publish(RESULTS.name, [RECORD], timeout_s=10)
        broker.signal(signal.SIGKILL)
        await broker.wait()
        with pytest.raises(PublishFailed):
            await world.producer.publish(RESULTS.name, [RECORD], timeout_s=1)
        await broker.start()
        async with asyncio.timeout(30):
            while True:
                try:
                    await world.producer.publish(RESULTS.name, [RECORD], timeout_s=5)
                    break
                except PublishFailed:
                    await asyncio.sleep(0.2)
        assert len(await world.read(RESULTS.name, count=2)) >= 2, "acknowledged before and after"
