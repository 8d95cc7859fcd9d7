"""Ordered retries: the line of a key step by step, and then against a world that crashes at any time."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from posta.domain.failure import Delivery, Origin, delivery_headers, read_delivery
from posta.domain.key_order import GRACE_S, Divert, Handle, KeyOrder, Look, OnDeadLetter, Waiting
from posta.domain.lanes import Lanes

LANES = Lanes(delays_s=(5, 30))
K = b"k"


def fresh(offset: int, topic: str = "source") -> Delivery:
    return Delivery(origin=Origin(topic=topic, partition=0, offset=offset, timestamp_ms=0), attempt=1)


def arrive(order: KeyOrder[str], offset: int) -> str:
    name = f"r{offset}"
    assert order.arrived(K, fresh(offset), name, ("source", offset)) == ()
    return name


def ridden(order: KeyOrder[str], delivery: Delivery, *, lane_due: float, not_before: float = 0.0) -> Delivery:
    """The delivery of a copy in a lane, as the engine writes it for the busy record."""
    return replace(
        delivery, place=order.place(K), rides=delivery.rides + 1, lane_due=lane_due, not_before=not_before
    )


def one_waiting(*, due: float = 30.0) -> tuple[KeyOrder[str], Delivery]:
    """r0 has failed at time 0 and rides a lane until ``due``."""
    order: KeyOrder[str] = KeyOrder(LANES)
    arrive(order, 0)
    assert order.next(K, 0.0) == Handle("r0")
    riding = ridden(order, fresh(0), lane_due=due, not_before=due)
    order.rode(K, riding)
    return order, riding


def test_one_record_of_a_key_at_a_time_in_the_order_they_came():
    order: KeyOrder[str] = KeyOrder(LANES)
    for offset in range(3):
        arrive(order, offset)
    for offset in range(3):
        assert order.next(K, 0.0) == Handle(f"r{offset}")
        assert order.next(K, 0.0) is None, "the line is busy"
        assert order.ended(K) == (f"r{offset}",)
    assert len(order) == 0, "a key with nothing waiting costs nothing"


@pytest.mark.parametrize(
    ("now", "step"),
    [
        pytest.param(0.0, Divert("r1", 30), id="rides the same lane behind it"),
        pytest.param(3.0, Divert("r1", 5), id="rides the longest that is back before it"),
        pytest.param(26.0, Look(30.0 + GRACE_S), id="stays in memory when it is due in a moment"),
        pytest.param(30.0 + GRACE_S, Divert("r1", 5), id="leaves memory when the head is overdue"),
    ],
)
def test_what_a_record_does_while_an_earlier_one_rides_until_30(now, step):
    order, _ = one_waiting()
    arrive(order, 1)
    assert order.next(K, now) == step


def test_a_look_is_asked_for_once_and_again_after_it_was_had():
    order, _ = one_waiting()
    arrive(order, 1)
    assert order.next(K, 26.0) == Look(31.0)
    arrive(order, 2)
    assert order.next(K, 26.5) is None
    assert order.look(K, 30.9) == Look(31.0), "a clock that went back asks again"


def test_another_key_does_not_care():
    order, _ = one_waiting()
    assert order.arrived(b"other", fresh(1), "o1", ("source", 1)) == ()
    assert order.next(b"other", 0.0) == Handle("o1")


def test_a_record_behind_starts_as_soon_as_it_is_first_although_its_lane_is_not_over():
    order, head = one_waiting()
    arrive(order, 1)
    assert order.next(K, 0.0) == Divert("r1", 30)
    behind = ridden(order, fresh(1), lane_due=30.0)
    order.rode(K, behind)
    assert order.arrived(K, behind, "r1 again", ("lane", 1)) == ()
    assert order.next(K, 0.5) == Look(30.0)
    assert order.arrived(K, head, "r0 again", ("lane", 0)) == ()
    assert order.look(K, 30.0) == Handle("r0 again")
    order.ended(K)
    assert order.next(K, 10.0) == Handle("r1 again")


def test_a_copy_that_is_fetched_before_its_publish_is_confirmed_is_not_lost():
    order: KeyOrder[str] = KeyOrder(LANES)
    arrive(order, 0)
    order.next(K, 0.0)
    riding = ridden(order, fresh(0), lane_due=5.0, not_before=5.0)
    assert order.arrived(K, riding, "copy", ("lane", 0)) == ()
    order.rode(K, riding)
    assert order.riding == 0
    assert order.next(K, 5.0) == Handle("copy")


def test_an_older_or_second_copy_is_passed_over():
    order, riding = one_waiting()
    assert order.arrived(K, fresh(0), "source again", ("source", 0)) == ("source again",)
    assert order.arrived(K, riding, "copy", ("lane", 0)) == ()
    assert order.arrived(K, riding, "second", ("lane", 1)) == ("second",)


def test_a_rebuilt_line_has_the_newest_copies_in_their_places_and_passes_over_the_others():
    order: KeyOrder[str] = KeyOrder(LANES)
    first = replace(fresh(7), place=4, rides=1, lane_due=5.0)
    moved = replace(first, rides=2, lane_due=40.0)
    second = replace(fresh(8), place=5, rides=1, lane_due=5.0)
    order.restore(
        [Waiting(K, ("a", 0), first), Waiting(K, ("a", 1), second), Waiting(K, ("b", 0), moved)],
        {"source": 8},
    )
    assert order.riding == 2
    assert order.arrived(K, fresh(8), "r8 source", ("source", 8)) == ("r8 source",), "it is in a lane"
    assert order.arrived(K, first, "old", ("a", 0)) == ("old",)
    assert order.arrived(K, second, "r8", ("a", 1)) == ()
    assert order.arrived(K, fresh(9), "r9", ("source", 9)) == ()
    assert order.next(K, 0.0) == Divert("r9", 30), "r8 is aboard its lane until 5"
    order.rode(K, ridden(order, fresh(9), lane_due=30.0))
    assert order.arrived(K, moved, "r7", ("b", 0)) == ()
    assert order.next(K, 0.0) == Handle("r7")
    order.ended(K)
    assert order.next(K, 0.0) == Handle("r8")


def dead_and_held() -> tuple[KeyOrder[str], Delivery]:
    order: KeyOrder[str] = KeyOrder(LANES)
    arrive(order, 0)
    order.next(K, 0.0)
    stand_in = replace(fresh(0), place=order.place(K), rides=1, lane_due=30.0, stand_in=True)
    assert not order.is_held_by(K)
    order.hold(K, stand_in)
    assert order.is_held_by(K)
    assert order.died(K) == ("r0",)
    assert order.held == {K}
    return order, stand_in


def test_a_held_key_waits_until_a_replay_ends_well_and_the_stand_in_is_finished_with_it():
    order, stand_in = dead_and_held()
    arrive(order, 1)
    assert order.next(K, 0.0) == Divert("r1", 30)
    order.rode(K, ridden(order, fresh(1), lane_due=30.0))
    assert order.arrived(K, stand_in, "stand-in", ("lane", 0)) == ()
    assert order.next(K, 30.0) == Divert("stand-in", 30), "it circles"
    order.rode(K, replace(stand_in, rides=2, lane_due=60.0))
    assert order.arrived(K, replace(fresh(0), redrive=1), "replay", ("lane", 2)) == ()
    assert order.next(K, 31.0) == Handle("replay"), "before the stand-in"
    assert order.ended(K) == (), "the replay is finished only with the stand-in, which is in a lane"
    assert order.held == set()
    again = replace(stand_in, rides=2, lane_due=60.0)
    assert order.arrived(K, again, "stand-in again", ("lane", 3)) == ("stand-in again", "replay")
    behind = replace(fresh(1), place=1, rides=1, lane_due=30.0)
    assert order.arrived(K, behind, "r1", ("lane", 1)) == ()
    assert order.next(K, 31.0) == Handle("r1")


def test_a_replay_that_dies_again_leaves_the_key_held():
    order, stand_in = dead_and_held()
    assert order.arrived(K, stand_in, "stand-in", ("lane", 0)) == ()
    order.arrived(K, replace(fresh(0), redrive=1), "replay", ("lane", 1))
    assert order.next(K, 0.0) == Handle("replay")
    assert order.is_held_by(K)
    assert order.died(K) == ("replay",)
    assert order.held == {K}
    order.arrived(K, replace(fresh(0), redrive=2), "second replay", ("lane", 2))
    assert order.next(K, 1.0) == Handle("second replay")
    assert order.ended(K) == ("second replay", "stand-in")
    assert len(order) == 0


def test_a_group_that_goes_on_passes_over_the_stand_ins_it_left_when_it_held_keys():
    order: KeyOrder[str] = KeyOrder(LANES, on_dead_letter=OnDeadLetter.GO_ON)
    stand_in = replace(fresh(0), place=0, rides=1, lane_due=30.0, stand_in=True)
    behind = replace(fresh(1), place=1, rides=1, lane_due=30.0)
    order.restore([Waiting(K, ("lane", 0), stand_in), Waiting(K, ("lane", 1), behind)], {"source": 9})
    assert order.held == set()
    assert order.arrived(K, stand_in, "stand-in", ("lane", 0)) == ("stand-in",)
    assert order.arrived(K, behind, "r1", ("lane", 1)) == ()
    assert order.next(K, 0.0) == Handle("r1")


def test_place_rides_and_stand_in_travel_as_headers_and_a_fresh_record_has_none():
    riding = replace(fresh(3), place=0, rides=2, stand_in=True)
    headers = tuple((name, text.encode()) for name, text in delivery_headers(riding).items())
    read = read_delivery(topic="lane", partition=0, offset=9, timestamp_ms=0, headers=headers)
    assert (read.place, read.rides, read.stand_in, read.origin) == (0, 2, True, riding.origin)
    plain = delivery_headers(fresh(3))
    assert not {"posta-place", "posta-rides", "posta-stand-in"} & set(plain)


@dataclass(eq=False)
class Held:
    """A fetched record: where it was read, and what it is."""

    topic: str
    offset: int
    key: bytes
    delivery: Delivery
    step: Handle | Divert | None = None
    copy: tuple[str, Delivery] | None = None
    """Published, not confirmed to us yet."""
    retry_at: float = 0.0


@dataclass
class Member:
    """The memory of one process; a crash loses it."""

    order: KeyOrder[Held] = field(default_factory=lambda: KeyOrder(LANES))
    positions: dict[str, int] = field(default_factory=dict)
    done_before: dict[str, set[int]] = field(default_factory=dict)
    finished: dict[str, set[int]] = field(default_factory=dict)
    busy: dict[bytes, Held] = field(default_factory=dict)


TOPICS = ("source", "lane5", "lane30")


class OrderedWorld(RuleBasedStateMachine):
    """Kafka (logs and commits) and a member on top; I3: per key, first successes come in arrival order."""

    holds = False

    def __init__(self):
        super().__init__()
        self.now = 1000.0
        self.logs: dict[str, list[tuple[bytes, Delivery]]] = {topic: [] for topic in TOPICS}
        self.committed: dict[str, set[int]] = {topic: set() for topic in TOPICS}
        self.successes: dict[bytes, list[int]] = {}
        self.dead: list[tuple[bytes, Delivery]] = []
        self.late: list[tuple[str, bytes, Delivery]] = []
        self.died: set[int] = set()
        self.start_member()

    def start_member(self):
        self.me = Member()
        self.me.done_before = {topic: set(done) for topic, done in self.committed.items()}
        self.me.finished = {topic: set(done) for topic, done in self.committed.items()}
        found = [
            Waiting(key, (topic, offset), delivery)
            for topic in TOPICS[1:]
            for offset, (key, delivery) in enumerate(self.logs[topic])
            if offset not in self.committed[topic]
        ]
        self.me.order.restore(found, {"source": self.watermark(self.committed["source"])})

    @staticmethod
    def watermark(done: set[int]) -> int:
        return next(offset for offset in range(len(done) + 1) if offset not in done)

    @rule(key=st.sampled_from([b"a", b"b"]))
    def produce(self, key):
        self.logs["source"].append((key, fresh(len(self.logs["source"]))))

    @rule(topic=st.sampled_from(TOPICS), most=st.integers(1, 4))
    def fetch(self, topic, most):
        for _ in range(most):
            offset = self.me.positions.get(topic, 0)
            if offset >= len(self.logs[topic]):
                return
            self.me.positions[topic] = offset + 1
            if offset not in self.me.done_before[topic]:
                key, delivery = self.logs[topic][offset]
                held = Held(topic, offset, key, delivery)
                self.finish(self.me.order.arrived(key, delivery, held, (topic, offset)))
                self.pump(key)

    @rule(by=st.sampled_from([0.5, 3.0, 10.0]))
    def tick(self, by):
        self.now += by
        self.look()

    def look(self):
        for key in (b"a", b"b"):
            if key not in self.me.busy:
                self.started(key, self.me.order.look(key, self.now))

    @precondition(lambda self: self.me.busy)
    @rule(
        data=st.data(),
        outcome=st.sampled_from(["ok", "ok", "fail", "die"]),
        wait=st.sampled_from([1, 6, 40]),
        late=st.booleans(),
    )
    def work(self, data, outcome, wait, late):
        self.step(data.draw(st.sampled_from(sorted(self.me.busy))), outcome, wait, late=late)

    def step(self, key: bytes, outcome: str, wait: float, *, late: bool):
        held = self.me.busy[key]
        if held.copy is not None:
            self.confirm(key, held)
        elif isinstance(held.step, Divert):
            self.publish(key, held, held.step.delay_s, held.delivery, late=late)
        elif self.now < max(held.retry_at, held.delivery.not_before):
            delay = LANES.lane_for(max(held.retry_at, held.delivery.not_before) - self.now)
            if delay is not None:
                self.publish(key, held, delay, held.delivery, late=late)
        elif outcome == "ok":
            self.successes.setdefault(key, []).append(held.delivery.origin.offset)
            del self.me.busy[key]
            self.finish(self.me.order.ended(key))
            self.pump(key)
        elif outcome == "fail":
            again = replace(held.delivery, not_before=self.now + wait, attempt=held.delivery.attempt + 1)
            delay = LANES.lane_for(wait)
            if delay is None:
                held.retry_at = self.now + wait
            else:
                self.publish(key, held, delay, again, late=late)
        else:
            self.die(key, held)

    def die(self, key: bytes, held: Held):
        order = self.me.order
        if self.holds and not order.is_held_by(key):
            delay = order.hold_lane_s
            stand_in = replace(
                held.delivery,
                place=order.place(key),
                rides=1,
                stand_in=True,
                lane_due=self.now + delay,
                not_before=0,
            )
            order.hold(key, stand_in)
            self.logs[f"lane{delay}"].append((key, stand_in))
            return  # the dead letter itself is another step, so that a crash may come between
        self.dead.append((key, held.delivery))
        self.died.add(held.delivery.origin.offset)
        del self.me.busy[key]
        self.finish(order.died(key))
        self.pump(key)

    def publish(self, key: bytes, held: Held, delay: int, delivery: Delivery, *, late: bool):
        """Write the copy at once, or only when it is confirmed (or after a crash, by a lost member)."""
        place = self.me.order.place(key)
        riding = replace(delivery, place=place, rides=delivery.rides + 1, lane_due=self.now + delay)
        held.copy = (f"lane{delay}", riding)
        if late and not delivery.stand_in:
            self.late.append((f"lane{delay}", key, riding))
        else:
            self.logs[f"lane{delay}"].append((key, riding))

    def confirm(self, key: bytes, held: Held):
        topic, riding = held.copy
        if (topic, key, riding) in self.late:
            self.late.remove((topic, key, riding))
            self.logs[topic].append((key, riding))
        del self.me.busy[key]
        self.me.order.rode(key, riding)
        self.finish((held,))
        self.pump(key)

    def finish(self, done):
        for held in done:
            self.me.finished[held.topic].add(held.offset)

    def pump(self, key: bytes):
        self.started(key, self.me.order.next(key, self.now))

    def started(self, key: bytes, step):
        if isinstance(step, (Handle, Divert)):
            step.item.step = step
            self.me.busy[key] = step.item

    @rule(all_of_it=st.booleans())
    def commit(self, all_of_it):
        for topic, done in self.me.finished.items():
            mark = self.watermark(done)
            self.committed[topic] = set(done) if all_of_it else {offset for offset in done if offset < mark}

    @rule()
    def crash(self):
        self.start_member()

    @precondition(lambda self: self.late)
    @rule()
    def a_lost_members_publish_is_written_late(self):
        mine = [held.copy for held in self.me.busy.values() if held.copy]
        for topic, key, delivery in [one for one in self.late if (one[0], one[2]) not in mine]:
            self.late.remove((topic, key, delivery))
            self.logs[topic].append((key, delivery))

    @precondition(lambda self: self.dead)
    @rule()
    def replay(self):
        key, delivery = self.dead.pop(0)
        anew = replace(
            delivery, attempt=1, not_before=0, lane_due=0, place=None, rides=0, redrive=delivery.redrive + 1
        )
        self.logs["lane5"].append((key, anew))

    @invariant()
    def first_successes_are_in_order(self):
        died = set() if self.holds else self.died
        for key, offsets in self.successes.items():
            firsts = [offset for offset in dict.fromkeys(offsets) if offset not in died]
            assert firsts == sorted(firsts), (key, offsets)
            arrived = [o for o, (k, _) in enumerate(self.logs["source"]) if k == key and o not in died]
            assert firsts == arrived[: len(firsts)], "none is overtaken"

    def teardown(self):
        """Time passes, nothing fails any more: everything has to come to its end."""
        for _ in range(60 + 8 * len(self.logs["source"])):
            if self.late:
                self.a_lost_members_publish_is_written_late()
            while self.dead and self.holds:
                self.replay()
            for topic in TOPICS:
                self.fetch(topic, 1000)
            for key in sorted(self.me.busy):
                self.step(key, "ok", 0, late=False)
            self.look()
            self.now += 2.0
            self.first_successes_are_in_order()
        died = set() if self.holds else self.died
        for offset, (key, _) in enumerate(self.logs["source"]):
            assert offset in self.successes.get(key, []) or offset in died, "nothing is lost"
        assert len(self.me.order) == 0, "nothing is stuck"
        assert self.me.order.riding == 0
        assert not self.me.order.held
        for topic in TOPICS:
            assert self.me.finished[topic] == set(range(len(self.logs[topic]))), "all can be committed"


class HoldingWorld(OrderedWorld):
    """The same with keys that a dead letter holds: a replay comes before what is behind it."""

    holds = True


OrderedWorld.TestCase.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)
HoldingWorld.TestCase.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)
TestOrderedWorld = pytest.mark.slow(OrderedWorld.TestCase)
TestHoldingWorld = pytest.mark.slow(HoldingWorld.TestCase)
