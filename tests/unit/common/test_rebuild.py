"""Holding partitions back until the order of their keys stands: whatever goes wrong, never without it."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata
from prometheus_client import REGISTRY
from support.logged import logged

from posta.domain.failure import Delivery, Origin
from posta.domain.key_order import OnDeadLetter, Waiting
from posta.domain.lanes import Lanes
from posta.engine import rebuild
from posta.engine.dispatch import Dispatcher
from posta.engine.ordered import Ordered
from posta.engine.rebuild import Rebuild
from posta.engine.standing import Standing
from posta.engine.timers import Timers
from posta.errors import Transient
from posta.settings import KafkaSettings
from posta.topics import Group, Topic

GROUP = Group(name="g", reads=(Topic(name="s", key="k", written_by=(), read_by=("g",)),), lane_delays_s=(5,))
SOURCE, LANE = TopicPartition("s", 0), TopicPartition("g.retry.5s", 0)
SOURCE_1, LANE_1 = TopicPartition("s", 1), TopicPartition("g.retry.5s", 1)


class Consumer:
    """What of aiokafka's consumer the rebuilding touches."""

    def __init__(self, **partitions: int) -> None:
        self.partitions = {"s": 1, "g.retry.5s": 1} | {n.replace("_", "."): c for n, c in partitions.items()}
        self.paused: set[TopicPartition] = set()
        self.listed: set[str] = set()
        self.refused: set[str] = set()

    def pause(self, *tps: TopicPartition) -> None:
        self.paused |= set(tps)

    def resume(self, *tps: TopicPartition) -> None:
        self.paused -= set(tps)

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset({SOURCE, LANE, SOURCE_1, LANE_1})

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(self.partitions[topic]))

    async def topics(self) -> set[str]:
        return self.listed

    @property
    def _client(self) -> SimpleNamespace:
        return SimpleNamespace(cluster=SimpleNamespace(unauthorized_topics=self.refused))


@pytest.fixture
def ordered() -> Ordered:
    return Ordered(
        "g",
        Lanes(delays_s=(5,)),
        on_dead_letter=OnDeadLetter.GO_ON,
        dispatcher=Dispatcher(),
        timers=Timers(lambda: 0.0),
        clock=lambda: 0.0,
    )


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(rebuild, "_AGAIN_S", 0.001)


async def test_failures_and_defects_are_tried_again_and_the_commits_are_told_before_anything_resumes(
    monkeypatch, ordered
):
    answers = [Transient("Kafka is silent"), RuntimeError("a defect"), None]
    stored = {SOURCE: OffsetAndMetadata(3, ""), LANE: OffsetAndMetadata(1, "")}
    origin = Origin(topic="s", partition=0, offset=2, timestamp_ms=0)
    found = Waiting(b"k", ("g.retry.5s", 1), Delivery(origin=origin, attempt=2, place=0, rides=1))

    async def committed(*_args, **_options):
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return stored

    async def standing(*_args, lanes, **_options):
        assert lanes == [LANE]
        return Standing({0: [found]})

    monkeypatch.setattr(rebuild, "committed", committed)
    monkeypatch.setattr(rebuild, "standing", standing)
    consumer, told = Consumer(), []

    async def restored(commits):
        told.append((commits.stored, set(consumer.paused)))

    one = Rebuild(GROUP, KafkaSettings(), ordered)
    one.begin(consumer, [SOURCE, LANE], restored)
    assert one.runs
    while one.runs:
        assert consumer.paused == {SOURCE, LANE}
        await asyncio.sleep(0.001)
    assert told == [(stored, {SOURCE, LANE})]
    assert consumer.paused == set()
    assert ordered._orders[0].riding == 1


async def test_topics_that_are_not_co_partitioned_are_held_back_until_the_assignment_ends(ordered):
    consumer, told = Consumer(s=2), []
    one = Rebuild(GROUP, KafkaSettings(), ordered)
    one.begin(consumer, [SOURCE, LANE], told.append)
    await asyncio.sleep(0.05)
    assert one.runs
    await one.cancel()
    assert not one.runs
    assert (consumer.paused, told) == ({SOURCE, LANE}, [])


@pytest.mark.parametrize(
    ("listed", "refused", "is_held"),
    [
        pytest.param({"s"}, set(), False, id="Kafka does not have it: nobody stands in it"),
        pytest.param({"s", "g.retry.5s"}, set(), True, id="Kafka has it, and the client has not heard of it"),
        pytest.param({"s"}, {"g.retry.5s"}, True, id="Kafka does not say"),
    ],
)
async def test_only_a_lane_that_is_surely_not_there_is_done_without(
    ordered, monkeypatch, listed, refused, is_held
):
    async def committed(*_args, **_options):
        return {SOURCE: OffsetAndMetadata(3, "")}

    async def standing(*_args, lanes, **_options):
        assert lanes == []
        return Standing()

    async def restored(_commits):
        pass

    monkeypatch.setattr(rebuild, "committed", committed)
    monkeypatch.setattr(rebuild, "standing", standing)
    consumer = Consumer(g_retry_5s=0)
    consumer.listed, consumer.refused = listed, refused
    one = Rebuild(GROUP, KafkaSettings(), ordered)
    one.begin(consumer, [SOURCE], restored)
    await asyncio.sleep(0.05)
    assert one.runs is is_held
    assert consumer.paused == ({SOURCE} if is_held else set())
    await one.cancel()


async def test_a_lane_with_somebody_in_it_that_may_not_be_read_holds_its_number_back_and_no_other(
    ordered, monkeypatch
):
    forbidden = {LANE}

    async def committed(*_args, partitions, **_options):
        return {tp: OffsetAndMetadata(3, "") for tp in partitions}

    async def standing(*_args, lanes, **_options):
        return Standing(unread=frozenset(forbidden & set(lanes)))

    told = []

    async def restored(one):
        told.append(one.partitions)

    monkeypatch.setattr(rebuild, "committed", committed)
    monkeypatch.setattr(rebuild, "standing", standing)
    monkeypatch.setattr(rebuild, "_FORBIDDEN_S", 0.001)
    consumer = Consumer(s=2, g_retry_5s=2)
    one = Rebuild(GROUP, KafkaSettings(), ordered)
    with logged() as lines:
        one.begin(consumer, [SOURCE, LANE, SOURCE_1, LANE_1], restored)
        await asyncio.sleep(0.05)
        assert told == [{SOURCE_1, LANE_1}]
        assert consumer.paused == {SOURCE, LANE}
        assert (one.holds_back(0), one.holds_back(1)) == (True, False)
        assert "partitions 0" in (one.fault or "")
        assert "g.retry.5s" in (one.fault or "")
        assert waiting() == 1
        assert len(lines["key_order_not_rebuilt"]) == 1, "it alarms, and does not flood the log"
        forbidden.clear()
        await asyncio.sleep(0.05)
        assert not one.runs
    assert told == [{SOURCE_1, LANE_1}, {SOURCE, LANE}]
    assert (consumer.paused, one.fault, waiting()) == (set(), None, 0)


def waiting():
    return REGISTRY.get_sample_value("posta_key_order_rebuilding", {"group": "g"})
