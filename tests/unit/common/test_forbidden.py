"""A topic that may not be read is left alone and tried again, and told of once."""

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError
from support.logged import logged

from posta.engine.forbidden import Forbidden
from posta.telemetry import names

LANE, SOURCE = TopicPartition("p.lane", 0), TopicPartition("p.work", 0)


class Consumer:
    def __init__(self) -> None:
        self.paused: set[TopicPartition] = set()

    def assignment(self):
        return frozenset({LANE, SOURCE})

    def pause(self, *partitions):
        self.paused |= set(partitions)

    def resume(self, *partitions):
        self.paused -= set(partitions)


@pytest.mark.parametrize("named", ["p.lane", {"p.lane"}], ids=["by a fetch", "by the coordinator"])
def test_it_is_paused_alone_tried_again_after_30_s_and_readable_after_5_s_of_quiet(named):
    now = 0.0
    forbidden, consumer = Forbidden("shut out", prefix="p.", clock=lambda: now), Consumer()
    with logged() as lines:
        forbidden.met(consumer, TopicAuthorizationFailedError(named))
        now = 1.0
        forbidden.met(consumer, TopicAuthorizationFailedError(named))
        assert consumer.paused == {LANE}
        assert forbidden.topics == ("lane",)
        assert names.PARTITIONS_PAUSED.labels("shut out", "forbidden")._value.get() == 1
        now = 30.9
        forbidden.look(consumer)
        assert consumer.paused == {LANE}
        now = 31.0
        forbidden.look(consumer)
        assert consumer.paused == set(), "tried again"
        forbidden.met(consumer, TopicAuthorizationFailedError(named))
        assert consumer.paused == {LANE}, "still not allowed"
        now = 61.0
        forbidden.look(consumer)
        now = 66.0
        forbidden.look(consumer)
        assert forbidden.topics == ()
    assert (len(lines["topic_forbidden"]), len(lines["topic_allowed"])) == (1, 1)
    assert names.PARTITIONS_PAUSED.labels("shut out", "forbidden")._value.get() == 0


def test_a_new_assignment_reads_it_again_and_finds_out():
    forbidden, consumer = Forbidden("g", prefix="p.", clock=lambda: 0.0), Consumer()
    forbidden.met(consumer, TopicAuthorizationFailedError("p.lane"))
    forbidden.begin()
    assert forbidden.topics == ("lane",), "nobody has said that it may be read now"
