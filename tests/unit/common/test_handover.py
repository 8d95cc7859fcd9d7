"""Giving partitions back: what ends in time is committed, the rest is cancelled, nothing counts later."""

import asyncio

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from posta.engine.dispatch import Dispatcher
from posta.engine.handover import Handover
from posta.engine.meters import Meters
from posta.engine.partition import Partition, Work
from posta.engine.positions import Positions
from posta.settings import KafkaSettings
from posta.topics import Group

TP = TopicPartition("t", 0)


class Committer:
    """Remembers what a commit would have said."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self.committed: list[int | None] = []

    async def commit(self, _consumer):
        self.committed.append(self._partition.to_commit)


def handover(one: Partition, committer: Committer, *, drain_s: float) -> Handover:
    return Handover(
        Group(name="g", reads=(), lane_delays_s=()),
        KafkaSettings(),
        {TP: one},
        drain_s=drain_s,
        committer=committer,
        dispatcher=Dispatcher(),
        meters=Meters("handover"),
        ordered=None,
        positions=Positions("g", prefix=""),
        progressed=lambda: None,
    )


def running(*offsets: int) -> tuple[Partition, dict[int, Work]]:
    """A partition whose records are all being handled."""
    one = Partition(tp=TP, topic="t")
    works = [Work(ConsumerRecord("t", 0, n, 0, 0, None, b"", None, 0, 0, ()), one, 1) for n in offsets]
    one.receive(works, 0.0)
    for work in works:
        one.running[work] = asyncio.get_running_loop().create_future()
    return one, {work.record.offset: work for work in works}


async def test_what_ends_during_the_drain_is_committed_and_the_rest_is_cancelled_and_counts_no_more():
    one, works = running(0, 1)
    committer = Committer(one)
    stuck = one.running[works[1]]

    def ends_in_time():
        del one.running[works[0]]
        one.finish(works[0])

    asyncio.get_running_loop().call_later(0.02, ends_in_time)
    async with asyncio.timeout(5):
        await handover(one, committer, drain_s=0.1).give_back(object())
    assert committer.committed == [1], "before it was closed"
    assert stuck.cancelled()
    one.finish(works[1])
    assert one.to_commit is None, "an old assignment never commits"
