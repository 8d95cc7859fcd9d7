"""Positions that cannot be read: where reading goes on, and what is forgotten with the old topic."""

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from prometheus_client import REGISTRY

from posta.engine.positions import Positions

TP = TopicPartition("t", 0)


class Consumer:
    """Its partition begins at offset ``begin``."""

    def __init__(self, begin: int) -> None:
        self._begin = begin
        self.position: int | None = None

    def assignment(self):
        return frozenset({TP})

    async def beginning_offsets(self, partitions):
        return dict.fromkeys(partitions, self._begin)

    def seek(self, _tp, offset):
        self.position = offset


@pytest.mark.parametrize(
    ("failed", "begin", "why", "lost", "is_anew"),
    [
        pytest.param(10, 25, "retention passed", 15, False, id="retention took what was not read"),
        pytest.param(50, 0, "behind the end", 0, True, id="made anew: what was finished is of another topic"),
    ],
)
async def test_it_reads_on_from_the_beginning_and_tells(failed, begin, why, lost, is_anew):
    def counted(name, **labels):
        return REGISTRY.get_sample_value(name, {"group": "moved", "topic": "t", **labels}) or 0.0

    before = counted("posta_offsets_lost_total"), counted("posta_position_moved_total", why=why)
    forgotten: list[TopicPartition] = []
    consumer = Consumer(begin)
    positions = Positions("moved", prefix="", made_anew=forgotten.append)
    await positions.recover(consumer, OffsetOutOfRangeError({TP: failed}))
    assert consumer.position == begin
    assert counted("posta_offsets_lost_total") == before[0] + lost
    assert counted("posta_position_moved_total", why=why) == before[1] + 1
    assert forgotten == ([TP] if is_anew else [])
