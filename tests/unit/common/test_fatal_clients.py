"""Clients that die for good, or hang: they are replaced, every wait ends, and the process stays."""

import asyncio
import time

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    ProducerClosed,
    ProducerFenced,
    UnknownTopicOrPartitionError,
)
from prometheus_client import REGISTRY

from posta.domain.envelope import Wire
from posta.engine import intake as intake_module
from posta.engine import membership
from posta.engine.dispatch import Dispatcher
from posta.engine.intake import Intake
from posta.engine.policy import EnginePolicy
from posta.engine.timers import Timers
from posta.kafka import producer as producer_module
from posta.kafka.producer import Producer, PublishFailed, TooLarge
from posta.settings import KafkaSettings
from posta.topics import Group, Topic

WIRE = Wire(key=b"k", value=b"v", headers=())
GROUP = Group(name="mortal", reads=(Topic(name="s", key="k", written_by=(), read_by=()),), lane_delays_s=())


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Sender:
    """What of aiokafka's sender says that the client is dead."""

    def __init__(self) -> None:
        self.sender_task = asyncio.get_running_loop().create_future()


class Client:
    """A producer's client that ends as its test says."""

    def __init__(self, ends: list[object]) -> None:
        self._ends = ends
        self._sender = Sender()
        self.stopped = False

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        self.stopped = True

    async def send(self, _topic, **_record):
        confirmed = asyncio.get_running_loop().create_future()
        match self._ends.pop(0) if self._ends else "ok":
            case "ok":
                confirmed.set_result(None)
            case "dies":
                self._sender.sender_task.set_result(None)
                raise KafkaError("OutOfOrderSequenceNumber")
            case "silent death":
                self._sender.sender_task.set_result(None)
            case Exception() as error:
                raise error
        return confirmed


@pytest.fixture
def clients(monkeypatch):
    made: list[Client] = []
    ends: list[object] = []

    def make(**_options):
        made.append(Client(ends))
        return made[-1]

    monkeypatch.setattr(producer_module, "AIOKafkaProducer", make)
    return made, ends


@pytest.mark.parametrize("end", ["dies", ProducerClosed(), "silent death"])
async def test_a_producer_that_is_dead_is_replaced_and_the_next_publish_works(clients, end):
    made, ends = clients
    ends.append(end)
    before = counted("posta_producer_rebuilt_total")
    async with Producer(KafkaSettings(), client_id="t") as producer:
        with pytest.raises(PublishFailed):
            await producer.publish("t", [WIRE], timeout_s=0.05)
        await producer.publish("t", [WIRE], timeout_s=0.05)
    assert len(made) == 2
    assert made[0].stopped
    assert counted("posta_producer_rebuilt_total") == before + 1


@pytest.mark.parametrize("end", [UnknownTopicOrPartitionError(), ProducerFenced("fenced")])
async def test_an_error_of_one_publish_is_no_reason_to_replace_a_living_client(clients, end):
    made, ends = clients
    ends.append(end)
    async with Producer(KafkaSettings(), client_id="t") as producer:
        with pytest.raises(PublishFailed):
            await producer.publish("t", [WIRE], timeout_s=0.05)
        await producer.publish("t", [WIRE], timeout_s=0.05)
    assert len(made) == 1


async def test_silence_is_an_unknown_outcome_within_the_limit(clients):
    _, ends = clients
    ends.append("silence")
    before = counted("posta_messages_published_total", topic="silent", outcome="unknown")
    async with Producer(KafkaSettings(), client_id="t") as producer:
        with pytest.raises(PublishFailed, match="did not confirm"):
            await producer.publish("silent", [WIRE], timeout_s=0.02)
    assert counted("posta_messages_published_total", topic="silent", outcome="unknown") == before + 1


async def test_what_was_confirmed_of_a_batch_that_failed_is_named(clients):
    _, ends = clients
    async with Producer(KafkaSettings(), client_id="t") as producer:
        ends += ["ok", "never", "ok"]
        with pytest.raises(PublishFailed) as late:
            await producer.publish("t", [WIRE] * 3, timeout_s=0.05)
        ends += ["ok", MessageSizeTooLargeError("20000 bytes")]
        with pytest.raises(TooLarge) as large:
            await producer.publish("t", [WIRE] * 3, timeout_s=0.05)
    assert late.value.confirmed == {0, 2}
    assert large.value.confirmed == {0}, "it was on its way when the next one was refused"


class Consumer:
    """A consumer whose calls end as its test says: an error, ``hang``, or nothing fetched."""

    def __init__(self, *, start: object = None, polls: tuple[object, ...] = (), stop: object = None) -> None:
        self._start = start
        self._polls = list(polls)
        self._stop = stop
        self.polled = 0

    async def start(self) -> None:
        await _end(self._start)

    async def stop(self) -> None:
        await _end(self._stop)

    def subscribe(self, **_what) -> None:
        """It stays alone."""

    async def getmany(self, *_partitions, **_options):
        self.polled += 1
        await asyncio.sleep(0.001)
        await _end(self._polls.pop(0) if self._polls else None)
        return {}

    def assignment(self):
        return frozenset({TopicPartition("s", 0)})

    def partitions_for_topic(self, _topic):
        return {0}


async def _end(how: object) -> None:
    if how == "hang":
        await asyncio.sleep(3600)
    if isinstance(how, BaseException):
        raise how


@pytest.fixture
def engine_of(monkeypatch):
    monkeypatch.setattr(intake_module, "_RECONNECT_S", 0.001)
    monkeypatch.setattr(membership, "_STOP_S", 0.02)

    def make(*consumers: Consumer) -> Intake:
        waiting = list(consumers)
        monkeypatch.setattr(intake_module, "new_member", lambda *_a, **_k: waiting.pop(0))
        return Intake(
            GROUP,
            KafkaSettings(),
            policy=EnginePolicy(),
            dispatcher=Dispatcher(),
            timers=Timers(time.time),
            clock=time.time,
        )

    return make


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda: Consumer(start=KafkaError("no coordinator")), id="cannot start"),
        pytest.param(lambda: Consumer(polls=(None, KafkaError("coordination ended"))), id="A23: a zombie"),
        pytest.param(lambda: Consumer(polls=(ValueError("undecodable"),)), id="a defect of the client"),
        pytest.param(lambda: Consumer(polls=(KafkaError("x"),), stop="hang"), id="A13: stop hangs"),
    ],
)
async def test_a_consumer_that_failed_is_replaced_and_the_process_stays(engine_of, broken):
    healthy, stop = Consumer(), asyncio.Event()
    intake = engine_of(broken(), healthy)
    running = asyncio.create_task(intake.run(stop))
    async with asyncio.timeout(10):
        while not healthy.polled:  # noqa: ASYNC110 - a fake tells nobody
            await asyncio.sleep(0.001)
        stop.set()
        await running


async def test_a_start_that_never_ends_neither_looks_stuck_nor_misses_the_stop(engine_of, monkeypatch):
    stop = asyncio.Event()
    intake = engine_of(Consumer(start="hang"))
    running = asyncio.create_task(intake.run(stop))
    await asyncio.sleep(0.01)
    assert time.monotonic() - intake.last_progress < 5
    stop.set()
    async with asyncio.timeout(5):
        await running
