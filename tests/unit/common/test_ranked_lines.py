"""Ranked lines: the more urgent goes first, what belongs together stays in order, nothing starves."""

from hypothesis import given
from hypothesis import strategies as st

from posta.domain.keyqueue import Link
from posta.domain.rank import Rank
from posta.domain.ranked_lines import RankedQueues


class Item(Link):
    def __init__(self, name, line=None, **rank):
        self.name, self.line, self.behind, self.rank = name, line, None, Rank(**rank)


def filled(*items):
    queues = RankedQueues()
    for item in items:
        queues.push(item)
    return queues


def drained(queues):
    names = []
    while queues.ready:
        item = queues.ready.popleft()
        names.append(item.name)
        queues.done(item)
    return names


def test_of_one_line_the_more_urgent_goes_first_and_equals_go_as_they_came():
    low, high = {"line": "a", "due": 300}, {"line": "a", "due": 20}
    queues = filled(
        Item("runs", **low),
        Item("low", **low),
        Item("low too", **low),
        Item("high", **high),
        Item("high too", **high),
    )
    assert drained(queues) == ["runs", "high", "high too", "low", "low too"]


def test_a_line_runs_one_record_at_a_time():
    queues = filled(Item("first", "a", due=5), Item("urgent", "a", due=1))
    first = queues.ready.popleft()
    assert not queues.ready, "urgent or not: the line is busy"
    queues.done(first)
    assert queues.ready.popleft().name == "urgent"


def test_an_urgent_record_of_a_thread_brings_forward_those_it_must_not_overtake():
    queues = filled(
        Item("runs", "a", due=0),
        Item("other", "a", due=10),
        Item("started", "a", due=300, within="backup"),
        Item("progress", "a", due=300, within="backup"),
        Item("failed!", "a", due=1, within="backup"),
    )
    names = drained(queues)
    assert names == ["runs", "started", "progress", "failed!", "other"]


def test_of_lines_that_are_ready_the_earliest_turn_starts():
    queues = filled(Item("late", "a", turn=900), Item("soon", "b", turn=30), Item("between", None, turn=400))
    assert drained(queues) == ["soon", "between", "late"]


def test_what_waits_is_overtaken_only_for_a_while():
    """One urgent record comes for each that is done: the patient one goes when it is due."""
    queues = filled(Item("runs", "a", due=0), Item("patient", "a", due=300))
    order = []
    for now in range(1, 600):
        queues.push(Item(f"urgent {now}", "a", due=now))
        item = queues.ready.popleft()
        order.append(item.name)
        queues.done(item)
    assert order.index("patient") in range(299, 303)


records = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.sampled_from([None, "t", "u"])), max_size=40
)


@given(records, st.lists(st.booleans(), max_size=80))
def test_nothing_is_lost_or_doubled_and_every_thread_stays_in_order(pushed, steps):
    queues, order, waiting, running = RankedQueues(), [], list(enumerate(pushed)), []
    for is_push in [*steps, *([True] * len(pushed))]:
        if is_push and waiting:
            number, (line, due, within) = waiting.pop(0)
            queues.push(Item(number, line, due=due, within=within))
        elif running:
            queues.done(running.pop())
        elif queues.ready:
            item = queues.ready.popleft()
            order.append(item.name)
            running.append(item)
    while running:
        queues.done(running.pop())
    order += drained(queues)
    assert sorted(order) == list(range(len(pushed)))
    for key in {(line, within) for line, _, within in pushed if within is not None}:
        mine = [n for n in order if (pushed[n][0], pushed[n][2]) == key]
        assert mine == sorted(mine)
    assert not queues._lines


def test_what_was_forgotten_does_not_come_back():
    queues = filled(Item("runs", "a"), Item("waits", "a"), Item("stands", None))
    queues.clear()
    assert drained(queues) == []
    queues.push(Item("new", "a"))
    assert drained(queues) == ["new"]
