"""Key queues: order within a key, turns between keys, nothing lost, nothing twice."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from posta.domain.keyqueue import KeyQueues


def test_keys_take_turns_and_a_long_queue_holds_nobody_up():
    queues: KeyQueues[str, str] = KeyQueues()
    for item in ("a1", "a2", "a3", "b1", "c1"):
        queues.push(item[0], item)
    order = []
    while (item := queues.next()) is not None:
        order.append(item[1])
        queues.done(item[0])
    assert order == ["a1", "b1", "c1", "a2", "a3"]


def test_a_running_key_starts_nothing_else():
    queues: KeyQueues[str, str] = KeyQueues()
    queues.push("a", "a1")
    assert queues.next() == ("a", "a1")
    queues.push("a", "a2")
    assert queues.next() is None
    queues.done("a")
    assert queues.next() == ("a", "a2")


def test_dropped_keys_are_forgotten_even_while_one_of_their_records_runs():
    queues: KeyQueues[str, str] = KeyQueues()
    for item in ("a1", "a2", "b1"):
        queues.push(item[0], item)
    queues.next()
    assert queues.drop(lambda key: key == "a") == ["a2"]
    queues.done("a")
    assert queues.next() == ("b", "b1")
    assert queues.next() is None
    assert len(queues) == 0


class KeyQueuesMachine(RuleBasedStateMachine):
    """Random pushes, starts, ends and drops beside a model of lists."""

    def __init__(self):
        super().__init__()
        self.queues: KeyQueues[int, tuple[int, int]] = KeyQueues()
        self.waiting: dict[int, list[tuple[int, int]]] = {}
        self.running: set[int] = set()
        self.number = 0
        self.passed_over: dict[int, int] = {}

    @rule(key=st.integers(0, 4))
    def push(self, key):
        self.number += 1
        self.queues.push(key, (key, self.number))
        self.waiting.setdefault(key, []).append((key, self.number))

    @rule()
    def start(self):
        ready = {key for key, items in self.waiting.items() if items and key not in self.running}
        item = self.queues.next()
        if item is None:
            assert not ready, "a ready key was left lying"
            return
        key, value = item
        assert key in ready
        assert self.waiting[key].pop(0) == value, "first in, first out"
        self.running.add(key)
        self.passed_over.pop(key, None)
        for other in ready - {key}:
            self.passed_over[other] = self.passed_over.get(other, 0) + 1
            assert self.passed_over[other] <= 5, "every key has its turn"

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data):
        key = data.draw(st.sampled_from(sorted(self.running)))
        self.queues.done(key)
        self.running.discard(key)

    @rule(key=st.integers(0, 4))
    def drop(self, key):
        dropped = self.queues.drop(lambda candidate: candidate == key)
        assert dropped == self.waiting.pop(key, [])
        self.running.discard(key)
        self.passed_over.pop(key, None)

    @invariant()
    def sizes_agree(self):
        assert len(self.queues) == sum(map(len, self.waiting.values()))


KeyQueuesMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestKeyQueuesMachine = KeyQueuesMachine.TestCase
