"""Key queues: order within a key, turns between keys, nothing lost, nothing twice."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from posta.domain.keyqueue import KeyQueues, Link


class Item(Link):
    def __init__(self, name: str, line: object | None = None) -> None:
        self.name, self.line, self.behind = name, line, None


def of_key(name: str) -> Item:
    return Item(name, name[0])


def taken(queues: KeyQueues[Item]) -> str | None:
    return queues.ready.popleft().name if queues.ready else None


def test_keys_take_turns_and_a_long_queue_holds_nobody_up():
    queues: KeyQueues[Item] = KeyQueues()
    for name in ("a1", "a2", "a3", "b1", "c1"):
        queues.push(of_key(name))
    order = []
    while queues.ready:
        item = queues.ready.popleft()
        order.append(item.name)
        queues.done(item)
    assert order == ["a1", "b1", "c1", "a2", "a3"]


def test_a_running_key_starts_nothing_else():
    queues: KeyQueues[Item] = KeyQueues()
    first, second = of_key("a1"), of_key("a2")
    queues.push(first)
    assert taken(queues) == "a1"
    queues.push(second)
    assert taken(queues) is None
    queues.done(first)
    assert taken(queues) == "a2"


def test_what_has_no_line_waits_for_nobody():
    queues: KeyQueues[Item] = KeyQueues()
    for name in ("x", "y"):
        queues.push(Item(name))
    assert [taken(queues), taken(queues)] == ["x", "y"]


def test_a_line_that_is_empty_again_is_forgotten():
    queues: KeyQueues[Item] = KeyQueues()
    for number in range(1000):
        item = Item("one", number)
        queues.push(item)
        queues.ready.clear()
        queues.done(item)
    assert not queues._last


def test_after_clearing_a_key_begins_anew():
    queues: KeyQueues[Item] = KeyQueues()
    for name in ("a1", "a2", "b1"):
        queues.push(of_key(name))
    queues.ready.popleft()
    queues.clear()
    assert taken(queues) is None
    queues.push(of_key("a3"))
    assert taken(queues) == "a3"


class KeyQueuesMachine(RuleBasedStateMachine):
    """Random pushes, starts and ends beside a model of lists; key 4 stands for no key."""

    def __init__(self):
        super().__init__()
        self.queues: KeyQueues[Item] = KeyQueues()
        self.waiting: dict[int, list[Item]] = {}
        self.running: list[Item] = []
        self.passed_over: dict[int, int] = {}

    @rule(key=st.integers(0, 3))
    def push(self, key):
        item = Item(f"{key}", key)
        self.queues.push(item)
        self.waiting.setdefault(key, []).append(item)

    @rule()
    def start(self):
        busy = {item.line for item in self.running}
        ready = {key for key, items in self.waiting.items() if items and key not in busy}
        if not self.queues.ready:
            assert not ready, "a ready key was left lying"
            return
        item = self.queues.ready.popleft()
        assert item.line in ready
        assert self.waiting[item.line].pop(0) is item, "first in, first out"
        self.running.append(item)
        self.passed_over.pop(item.line, None)
        for other in ready - {item.line}:
            self.passed_over[other] = self.passed_over.get(other, 0) + 1
            assert self.passed_over[other] <= 4, "every key has its turn"

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data):
        item = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self.queues.done(item)


KeyQueuesMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestKeyQueuesMachine = KeyQueuesMachine.TestCase
