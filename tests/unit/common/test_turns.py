"""Whose turn it is: shares of topics by weight, turns of partitions, nobody starved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posta.domain.keyqueue import KeyQueues, Link
from posta.domain.rank import Rank
from posta.domain.ranked_lines import RankedQueues
from posta.domain.turns import Turns


class Item(Link):
    def __init__(self, name: str) -> None:
        self.name, self.line, self.behind = name, None, None


def filled(turns: Turns[Item], topic: str, *names: str) -> KeyQueues[Item]:
    queues: KeyQueues[Item] = KeyQueues()
    for name in names:
        queues.push(Item(name))
    turns.join(topic, queues)
    return queues


def order(turns: Turns[Item], count: int = 100) -> str:
    taken = []
    while len(taken) < count and (item := turns.next()) is not None:
        taken.append(item.name)
    return " ".join(taken)


def test_partitions_of_a_topic_take_turns_however_much_each_has():
    turns: Turns[Item] = Turns({})
    filled(turns, "t", "a1", "a2", "a3", "a4")
    filled(turns, "t", "b1")
    filled(turns, "t", "c1", "c2")
    assert order(turns) == "a1 b1 c1 a2 c2 a3 a4"


def test_the_heavier_topic_goes_first_and_the_lighter_one_gets_its_share():
    turns: Turns[Item] = Turns({"vip": 3})
    filled(turns, "other", *(f"o{n}" for n in range(3)))
    filled(turns, "vip", *(f"v{n}" for n in range(8)))
    assert order(turns) == "v0 v1 v2 o0 v3 v4 v5 o1 v6 v7 o2"


def test_a_topic_that_becomes_ready_in_the_middle_of_a_round_has_its_share_of_it():
    turns: Turns[Item] = Turns({"due": 2})
    filled(turns, "fresh", "f1", "f2", "f3")
    assert order(turns, 1) == "f1"
    filled(turns, "due", "d1", "d2", "d3")
    assert order(turns) == "d1 d2 d3 f2 f3", "a new round begins when all who are ready had theirs"


def test_a_topic_without_rivals_has_everything():
    turns: Turns[Item] = Turns({"vip": 3})
    filled(turns, "other", *(f"o{n}" for n in range(5)))
    assert order(turns) == "o0 o1 o2 o3 o4"
    assert not turns


def ranked(turns: Turns[Item], topic: str, **due: float) -> KeyQueues[Item]:
    """A partition of a topic with one record for each name, each of a key of its own, by turn."""
    queues: RankedQueues[Item] = RankedQueues()
    for name, turn in due.items():
        item = Item(name)
        item.rank = Rank(turn=turn)
        queues.push(item)
    turns.join(topic, queues)
    return queues


def test_where_lines_are_ranked_the_earliest_turn_of_all_partitions_goes_first():
    turns: Turns[Item] = Turns({})
    ranked(turns, "t", a14=14.0, a9=9.0, a10=10.0)
    ranked(turns, "t", b12=12.0, b4=4.0)
    ranked(turns, "t", c6=6.0, c5=5.0)
    assert order(turns) == "b4 c5 c6 a9 a10 b12 a14"


def test_ranked_partitions_of_equal_turns_go_round():
    turns: Turns[Item] = Turns({})
    ranked(turns, "t", a1=0.0, a2=0.0, a3=0.0)
    ranked(turns, "t", b1=0.0, b2=0.0)
    ranked(turns, "t", c1=0.0)
    assert order(turns) == "a1 b1 c1 a2 b2 a3"


def test_a_lane_that_is_ranked_keeps_its_share_beside_more_urgent_topics():
    turns: Turns[Item] = Turns({"vip": 2})
    ranked(turns, "vip", **{f"v{n}": float(n) for n in range(5)})
    ranked(turns, "late", l1=100.0, l2=200.0)
    assert order(turns) == "v0 v1 l1 v2 v3 l2 v4"


@given(parts=st.lists(st.lists(st.integers(0, 9), min_size=1), min_size=1, max_size=5))
def test_whatever_waits_everything_starts_once_and_by_its_turn(parts):
    turns: Turns[Item] = Turns({})
    for number, waiting in enumerate(parts):
        ranked(turns, "t", **{f"{number}-{place}-{turn}": turn for place, turn in enumerate(waiting)})
    taken = order(turns, 1000).split()
    assert sorted(taken) == sorted(f"{n}-{p}-{t}" for n, some in enumerate(parts) for p, t in enumerate(some))
    assert [int(name.split("-")[2]) for name in taken] == sorted(t for some in parts for t in some)


def test_what_was_dropped_is_not_started_and_the_rest_goes_on():
    turns: Turns[Item] = Turns({})
    gone = filled(turns, "t", "a1", "a2")
    filled(turns, "t", "b1", "b2")
    turns.drop("t", gone)
    turns.drop("t", gone)
    assert order(turns) == "b1 b2"


def test_a_weight_below_one_would_starve_a_topic_and_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        Turns({"t": 0})


@given(
    weights=st.dictionaries(st.sampled_from("abc"), st.integers(1, 5), min_size=1),
    rounds=st.integers(1, 4),
)
def test_topics_that_are_never_empty_get_exactly_their_shares(weights, rounds):
    turns: Turns[Item] = Turns(weights)
    for topic in weights:
        filled(turns, topic, *(topic for _ in range(100)))
    taken = order(turns, rounds * sum(weights.values())).split()
    assert {topic: taken.count(topic) for topic in weights} == {t: w * rounds for t, w in weights.items()}
