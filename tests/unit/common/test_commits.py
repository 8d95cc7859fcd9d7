"""Commits: bounded in time, never a zombie's, and they name what is finished above the watermark."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from posta.domain.commit_metadata import decode
from posta.engine import commits
from posta.engine.backpressure import Backpressure
from posta.engine.commits import Committer
from posta.engine.meters import Meters
from posta.engine.partition import Partition, Work
from posta.engine.policy import Bounds

TP = TopicPartition("t", 0)


class Consumer:
    """Takes commits, unless it ``hangs``; the group knows it by ``member_id``."""

    def __init__(self, *, member_id: str = "m", hangs: bool = False) -> None:
        self.committed = []
        self._hangs = hangs
        self._coordinator = SimpleNamespace(member_id=member_id)

    async def commit(self, offsets):
        if self._hangs:
            await asyncio.Event().wait()
        self.committed.append(offsets)

    def assignment(self):
        return frozenset({TP})

    def pause(self, *_partitions):
        pass


def held(*offsets: int, finished: range | tuple[int, ...] = (), restored: frozenset[int] = frozenset()):
    """A partition that holds ``offsets``, of which some are ``finished``."""
    one = Partition(tp=TP, topic="t", restored=restored)
    works = [Work(ConsumerRecord("t", 0, n, 0, 0, None, b"", None, 0, 0, ()), one, 1) for n in offsets]
    one.receive(works, 0.0)
    for work in works:
        if work.record.offset in finished:
            one.finish(work)
    return one


def committer(one: Partition) -> Committer:
    return Committer("g", {TP: one}, Meters("commits"))


async def test_a_commit_names_what_is_finished_above_also_what_an_earlier_owner_finished():
    one, consumer = held(*range(10, 14), finished=(10, 12), restored=frozenset({20, 21})), Consumer()
    await committer(one).commit(consumer)
    [offsets] = consumer.committed
    assert offsets[TP].offset == 11
    assert decode(11, offsets[TP].metadata) == {12, 20, 21}


async def test_a_commit_that_hangs_ends_and_is_made_again(monkeypatch):
    monkeypatch.setattr(commits, "_TIMEOUT_S", 0.02)
    one = held(0, 1, finished=(0,))
    async with asyncio.timeout(5):
        await committer(one).commit(Consumer(hangs=True))
    consumer = Consumer()
    await committer(one).commit(consumer)
    assert consumer.committed[0][TP].offset == 1, "it still counts as not committed"


async def test_who_is_no_member_any_more_commits_nothing():
    """An empty member id would make it an operator's commit, which Kafka takes while the group is empty."""
    consumer = Consumer(member_id="")
    await committer(held(0, 1, finished=(0,))).commit(consumer)
    assert consumer.committed == []


@pytest.mark.parametrize(
    ("step", "is_full"), [pytest.param(1, False, id="runs"), pytest.param(97, True, id="nearly no room")]
)
async def test_intake_slows_before_the_metadata_is_full(step, is_full):
    offsets = range(0, 2_500 * step, step)
    one = held(*offsets, finished=offsets[1:])
    await committer(one).commit(Consumer())
    assert one.to_commit is None, "nothing new is left to commit"
    one.unsaved = True
    pressure = Backpressure(Bounds(span_per_partition=10**9), {TP: one}, Meters("commits"))
    pressure.regulate(Consumer(), 1.0)
    assert (TP in pressure.left_out()) is is_full
