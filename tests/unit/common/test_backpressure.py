"""What keeps memory within bounds: who is not fetched from, when, and until when."""

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from posta.engine.backpressure import Backpressure
from posta.engine.meters import Meters
from posta.engine.partition import Partition, Work
from posta.engine.policy import Bounds


class Consumer:
    """Remembers what is paused, for the current assignment only (A9)."""

    def __init__(self, *partitions: Partition) -> None:
        self.assigned = {one.tp for one in partitions}
        self.paused: set[TopicPartition] = set()

    def assignment(self):
        return frozenset(self.assigned)

    def pause(self, *partitions):
        self.paused |= set(partitions)

    def resume(self, *partitions):
        self.paused -= set(partitions)


def partition(number: int, **more) -> Partition:
    return Partition(tp=TopicPartition("t", number), topic="t", **more)


def hold(of: Partition, *offsets: int, size: int = 1) -> list[Work]:
    """Fetched, and handled by nobody yet: they wait for lines that are busy."""
    works = [Work(ConsumerRecord("t", 0, n, 0, 0, None, b"", None, 0, 0, ()), of, size) for n in offsets]
    of.receive(works, 0.0)
    return works


def over(bounds: Bounds, *partitions: Partition) -> Backpressure:
    return Backpressure(bounds, {one.tp: one for one in partitions}, Meters("bounded"))


def test_at_the_bound_it_is_left_out_and_half_a_second_later_paused_until_a_quarter_is_free():
    one, other = partition(0), partition(1)
    consumer, works = Consumer(one, other), hold(one, *range(8))
    pressure = over(Bounds(records_per_partition=8), one, other)
    pressure.regulate(consumer, 1.0)
    assert (pressure.left_out(), consumer.paused) == ({one.tp}, set()), "what was prefetched is kept (A8)"
    pressure.regulate(consumer, 1.4)
    assert consumer.paused == set()
    pressure.regulate(consumer, 1.5)
    assert (pressure.left_out(), consumer.paused) == (set(), {one.tp}), "others are fetched (A10)"
    one.finish(works[0])
    pressure.regulate(consumer, 1.6)
    assert consumer.paused == {one.tp}, "not at once: a pause throws prefetched records away"
    one.finish(works[1])
    pressure.regulate(consumer, 1.7)
    assert consumer.paused == set()


def test_what_is_full_after_a_rebalance_is_paused_again():
    first = partition(0)
    hold(first, *range(8))
    partitions = {first.tp: first}
    pressure = Backpressure(Bounds(records_per_partition=8), partitions, Meters("bounded"))
    pressure.regulate(Consumer(first), 1.0)
    pressure.regulate(Consumer(first), 2.0)
    anew = partitions[first.tp] = partition(0)
    hold(anew, *range(8))
    consumer = Consumer(anew)
    pressure.regulate(consumer, 3.0)
    pressure.regulate(consumer, 3.5)
    assert consumer.paused == {anew.tp}, "the client had forgotten it (A9)"


def test_the_span_from_the_watermark_stops_it_however_few_are_held():
    one = partition(0)
    works = hold(one, *range(10))
    for work in works[1:]:
        one.finish(work)
    pressure = over(Bounds(span_per_partition=10), one)
    pressure.regulate(Consumer(one), 1.0)
    assert pressure.left_out() == {one.tp}
    one.finish(works[0])
    pressure.relieve(one, Consumer(one))
    assert pressure.left_out() == set()


def test_a_partition_may_hold_as_much_as_is_still_free():
    stuck, busy = partition(0), partition(1)
    pressure = over(Bounds(total_bytes=100), stuck, busy)
    hold(stuck, 0, size=49)
    pressure.regulate(Consumer(stuck, busy), 1.0)
    assert pressure.left_out() == set()
    hold(stuck, 1, size=1)
    pressure.regulate(Consumer(stuck, busy), 2.0)
    assert pressure.left_out() == {stuck.tp}, "half of all; the rest is for others"
    [work] = hold(busy, 0, size=30)
    pressure.regulate(Consumer(stuck, busy), 2.1)
    assert pressure.left_out() == {stuck.tp, busy.tp}
    busy.finish(work)
    pressure.relieve(busy, Consumer(stuck, busy))
    assert pressure.left_out() == {stuck.tp}, "what is stuck for ever keeps nobody else from going on"


def test_a_partition_that_holds_nothing_has_room_whatever_others_hold():
    greedy, empty = partition(0), partition(1)
    hold(greedy, 0, size=500)
    pressure = over(Bounds(total_bytes=100), greedy, empty)
    pressure.regulate(Consumer(greedy, empty), 1.0)
    assert pressure.left_out() == {greedy.tp}


def test_a_span_that_stopped_it_must_halve_before_it_goes_on():
    one = partition(0)
    consumer, works = Consumer(one), hold(one, *range(11))
    pressure = over(Bounds(span_per_partition=10), one)
    pressure.regulate(consumer, 1.0)
    assert pressure.left_out() == {one.tp}
    for work in works[:4]:
        one.finish(work)
    pressure.regulate(consumer, 1.1)
    assert pressure.left_out() == {one.tp}, "a moment of room would only begin the next pause"
    for work in works[4:6]:
        one.finish(work)
    pressure.regulate(consumer, 1.2)
    assert pressure.left_out() == set()
