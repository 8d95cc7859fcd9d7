"""The outlet: round trips are shared, order is kept, and nobody is told it is done before it is."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from support.sim.loop import without_real_time

from posta.domain.envelope import Wire
from posta.engine import outlet as module
from posta.engine.outlet import Abandoned, Outlet
from posta.engine.partition import Partition, Phase
from posta.kafka.producer import PublishFailed, TooLarge
from posta.telemetry import names


class Kafka:
    """What a producer did; ``answers`` are raised in turn, then everything is confirmed."""

    def __init__(self, *answers: Exception) -> None:
        self.answers = list(answers)
        self.batches: list[tuple[str, int | None, list[bytes]]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def publish(self, topic, records, *, timeout_s, partition=None):
        values = [record.value for record in records]
        self.batches.append((topic, partition, values))
        await self.gate.wait()
        if b"huge" in values:
            raise TooLarge("too large")
        if self.answers:
            raise self.answers.pop(0)


def wire(value: str) -> Wire:
    return Wire(key=b"k", value=value.encode(), headers=())


@pytest.fixture
def partition() -> Partition:
    return Partition(tp=TopicPartition("t", 0), topic="t")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.001)


async def test_what_comes_while_a_batch_is_on_its_way_shares_the_next_round_trip(partition):
    kafka = Kafka()
    kafka.gate.clear()
    outlet = Outlet(kafka, timeout_s=1)
    first = asyncio.create_task(outlet.record("lane", wire("1"), partition))
    await asyncio.sleep(0.001)
    others = [asyncio.create_task(outlet.record("lane", wire(f"{n}"), partition)) for n in range(2, 6)]
    await asyncio.sleep(0.001)
    assert not first.done()
    kafka.gate.set()
    await asyncio.gather(first, *others)
    assert kafka.batches == [("lane", None, [b"1"]), ("lane", None, [b"2", b"3", b"4", b"5"])]
    assert not outlet._streams, "a stream that is empty ends"


async def test_each_topic_and_each_given_partition_is_a_stream_of_its_own(partition):
    kafka = Kafka()
    outlet = Outlet(kafka, timeout_s=1)
    await asyncio.gather(
        outlet.record("a", wire("1"), partition),
        outlet.record("a", wire("2"), partition, to=3),
        outlet.records([("b", wire("3")), ("b", wire("4"))], partition),
    )
    assert sorted(kafka.batches, key=str) == [
        ("a", 3, [b"2"]),
        ("a", None, [b"1"]),
        ("b", None, [b"3", b"4"]),
    ]


async def test_a_failed_batch_is_tried_again_without_what_is_not_ours_any_more(partition):
    kafka, lost = Kafka(PublishFailed("no answer")), Partition(tp=TopicPartition("t", 1), topic="t")
    kafka.gate.clear()
    outlet = Outlet(kafka, timeout_s=1)
    ours = asyncio.create_task(outlet.record("lane", wire("ours"), partition))
    theirs = asyncio.create_task(outlet.record("lane", wire("theirs"), lost))
    await asyncio.sleep(0.001)
    lost.phase = Phase.CLOSED
    kafka.gate.set()
    await asyncio.wait_for(ours, 5)
    with pytest.raises(Abandoned):
        await asyncio.wait_for(theirs, 5)
    assert kafka.batches[-1][2] == [b"ours"]


async def test_one_record_that_is_too_large_does_not_take_its_batch_with_it(partition):
    kafka = Kafka()
    outlet = Outlet(kafka, timeout_s=1)
    outcomes = await asyncio.gather(
        *(outlet.record("lane", wire(value), partition) for value in ("1", "huge", "2")),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), TooLarge, type(None)]


async def test_a_defect_of_the_producer_is_told_to_whoever_waits(partition):
    outlet = Outlet(Kafka(RuntimeError("a defect")), timeout_s=1)
    with pytest.raises(RuntimeError, match="a defect"):
        await asyncio.wait_for(outlet.record("lane", wire("1"), partition), 5)
    await asyncio.wait_for(outlet.record("lane", wire("2"), partition), 5)


async def test_of_a_failed_batch_only_what_kafka_does_not_have_is_tried_again_and_keys_keep_their_order(
    partition,
):
    error = PublishFailed("one partition has no leader")
    error.confirmed = frozenset({0, 2, 3})
    kafka = Kafka(error)
    kafka.gate.clear()
    outlet = Outlet(kafka, timeout_s=1)
    values = [("a", b"x"), ("b", b"y"), ("c", b"y"), ("d", None)]
    wires = [Wire(key=key, value=value.encode(), headers=()) for value, key in values]
    publishing = asyncio.create_task(outlet.records([("lane", one) for one in wires], partition))
    await asyncio.sleep(0.001)
    kafka.gate.set()
    await publishing
    assert kafka.batches == [
        ("lane", None, [b"a", b"b", b"c", b"d"]),
        ("lane", None, [b"b", b"c"]),
    ], "c again, behind b of the same key"


async def test_what_collects_behind_a_blocked_topic_is_counted_and_goes_along(partition):
    kafka = Kafka(*(PublishFailed("no topic") for _ in range(3)))
    kafka.gate.clear()
    outlet = Outlet(kafka, timeout_s=1)
    first = asyncio.create_task(outlet.record("blocked lane", wire("1"), partition))
    await asyncio.sleep(0.001)
    others = [asyncio.create_task(outlet.record("blocked lane", wire(f"{n}"), partition)) for n in (2, 3)]
    await asyncio.sleep(0.001)
    kafka.gate.set()
    await asyncio.sleep(0)
    most = 0.0
    while not first.done():
        most = max(most, names.PUBLISH_BLOCKED.labels("blocked lane")._value.get())
        await asyncio.sleep(0)
    await asyncio.gather(*others)
    assert most == 3, "not only the one that was tried"
    assert [values for _, _, values in kafka.batches][-1] == [b"1", b"2", b"3"]
    assert names.PUBLISH_BLOCKED.labels("blocked lane")._value.get() == 0


def test_an_unhurried_topic_collects_after_its_first_batch_and_others_do_not(partition):
    kafka = Kafka()

    async def scenario():
        loop = asyncio.get_running_loop()
        outlet = Outlet(kafka, timeout_s=1, unhurried=["lane"])
        began = loop.time()
        await outlet.post("lane", wire("first"), partition)
        assert loop.time() == began, "nothing was sent just before it"
        waiting = [outlet.post("lane", wire(value), partition) for value in ("2", "3")]
        await asyncio.sleep(module._COLLECT_S / 2)
        waiting.append(outlet.post("lane", wire("4"), partition))
        await outlet.post("reply", wire("r"), partition)
        assert not any(one.done() for one in waiting)
        await asyncio.gather(*waiting)
        assert loop.time() == pytest.approx(began + module._COLLECT_S)

    without_real_time(scenario())
    assert kafka.batches == [
        ("lane", None, [b"first"]),
        ("reply", None, [b"r"]),
        ("lane", None, [b"2", b"3", b"4"]),
    ]


@pytest.mark.parametrize(("unhurried", "again"), [(["lane"], []), ([], [b"2"])])
async def test_what_kafka_has_is_published_again_only_where_the_order_of_keys_counts(
    partition, unhurried, again
):
    batches = []

    async def publish(_topic, records, *, timeout_s, partition=None):
        values = [record.value for record in records]
        batches.append(values)
        await asyncio.sleep(0)
        if b"huge" in values:
            refused = TooLarge("too large")
            refused.confirmed = frozenset(n for n, value in enumerate(values) if value != b"huge")
            raise refused

    outlet = Outlet(SimpleNamespace(publish=publish), timeout_s=1, unhurried=unhurried)
    huge, second = (outlet.post("lane", wire(value), partition) for value in ("huge", "2"))
    await second
    with pytest.raises(TooLarge):
        await huge
    assert batches == [[b"huge", b"2"], [b"huge"], *([again] if again else [])]


async def test_more_than_a_batch_that_cannot_be_confirmed_does_not_keep_the_others_of_the_topic(
    partition, monkeypatch
):
    monkeypatch.setattr(module, "_MOST_AT_ONCE", 5)

    class Leaderless:
        """Confirms nothing of the key ``k``, and anything else."""

        async def publish(self, topic, records, *, timeout_s, partition=None):
            await asyncio.sleep(0)
            failed = PublishFailed("no leader")
            failed.confirmed = frozenset(n for n, record in enumerate(records) if record.key != b"k")
            if len(failed.confirmed) < len(records):
                raise failed

    outlet = Outlet(Leaderless(), timeout_s=1)
    stuck = [outlet.post("lane", wire(f"{n}"), partition) for n in range(12)]
    other = outlet.post("lane", Wire(key=b"other", value=b"o", headers=()), partition)
    await asyncio.wait_for(other, 5)
    assert not any(one.done() for one in stuck)
    await outlet.stop()
