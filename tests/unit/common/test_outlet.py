"""The outlet while Kafka refuses: it insists, tells it once, and lets go of what is not ours."""

import asyncio

import pytest
from aiokafka import TopicPartition
from prometheus_client import REGISTRY
from support.logged import logged

from posta.domain.envelope import Wire, header
from posta.engine import outlet as module
from posta.engine.dead_letters import write_dead_letter
from posta.engine.outlet import Abandoned, Outlet
from posta.engine.partition import Partition, Phase
from posta.kafka.producer import PublishFailed, TooLarge

WIRE = Wire(key=b"k", value=b"v" * 200_000, headers=())


class Broker:
    """A producer before a broker that refuses for a while, or what is too large for ever."""

    def __init__(self, *, refusals: int = 0, most_bytes: int = 1 << 30) -> None:
        self.refusals = refusals
        self.most_bytes = most_bytes
        self.written: list[Wire] = []

    async def publish(self, topic, records, *, timeout_s, partition=None):
        await asyncio.sleep(0)
        if self.refusals:
            self.refusals -= 1
            raise PublishFailed("TopicAuthorizationFailedError")
        for wire in records:
            if len(wire.value) > self.most_bytes:
                raise TooLarge("too large")
        self.written += records


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.001)


def blocked(topic: str) -> float | None:
    return REGISTRY.get_sample_value("posta_publish_blocked_messages", {"topic": topic})


def a_partition() -> Partition:
    return Partition(tp=TopicPartition("t", 0), topic="t")


async def test_a_forbidden_topic_is_told_once_for_all_records_and_once_when_it_works():
    broker = Broker(refusals=60)
    outlet = Outlet(broker, timeout_s=1)
    partition = a_partition()
    with logged() as lines:
        await asyncio.gather(*(outlet.record("forbidden", WIRE, partition) for _ in range(10)))
    assert len(lines["publish_failed_will_retry"]) == 1
    assert len(lines["publish_works_again"]) == 1
    assert len(broker.written) == 10
    assert blocked("forbidden") == 0


async def test_a_record_whose_partition_is_lost_is_let_go():
    broker = Broker(refusals=1 << 30)
    outlet = Outlet(broker, timeout_s=1)
    partition = a_partition()
    publishing = asyncio.create_task(outlet.record("lost", WIRE, partition))
    while blocked("lost") != 1:  # noqa: ASYNC110 - the gauge tells nobody
        await asyncio.sleep(0)
    partition.phase = Phase.CLOSED
    with pytest.raises(Abandoned):
        await publishing
    assert blocked("lost") == 0


async def test_a_dead_letter_that_is_too_large_is_written_in_part():
    broker = Broker(most_bytes=5000)
    await write_dead_letter(Outlet(broker, timeout_s=1), "g.dlq", WIRE, a_partition())
    (written,) = broker.written
    assert len(written.value) == 4096
    assert header(written.headers, "posta-original-size") == "200000"


async def test_a_dead_letter_of_which_nothing_is_taken_is_not_called_written():
    broker = Broker(most_bytes=-1)
    with pytest.raises(TooLarge):
        await write_dead_letter(Outlet(broker, timeout_s=1), "g.dlq", WIRE, a_partition())
    assert broker.written == []
