"""Which questions are let through when not all fit: in turn while there is plenty, then by what fits."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_worker.budget.packing import packed


@pytest.mark.parametrize(
    ("sizes", "calls", "tokens", "any_order", "chosen"),
    [
        pytest.param([5, 3, 4], 9, math.inf, 3, [0, 1, 2], id="no limit of tokens: in turn"),
        pytest.param([5, 3, 4], 2, 100, 3, [0, 1], id="fewer calls than questions: in turn"),
        pytest.param([5, 3, 4], 9, 4, 3, [2], id="little room: the closest fit"),
        pytest.param([5, 3, 4], 9, 7, 3, [2, 1], id="little room: those that fill it, the larger first"),
        pytest.param([5, 3, 6], 9, 7, 3, [2], id="one alone may fill it best"),
        pytest.param([5, 3, 4], 9, 8, 3, [0, 1], id="a second one fits beside the largest"),
        pytest.param([5, 5], 1, 5, 2, [0], id="of equals the first"),
        pytest.param([5, 3], 9, 4, 1, [], id="nobody goes before the first"),
        pytest.param([5, 3, 9], 9, 8, 1, [0, 1], id="in turn until one does not fit"),
        pytest.param([2, 3, 9, 1], 9, 8, 2, [1, 0], id="who comes after is not let past who does not fit"),
        pytest.param([], 9, 8, 0, [], id="nobody waits"),
        pytest.param([1], 0, 8, 1, [], id="no call is left"),
    ],
)
def test_who_is_let_through(sizes, calls, tokens, any_order, chosen):
    assert packed(sizes, calls=calls, tokens=tokens, any_order=any_order) == chosen


@pytest.mark.parametrize(
    ("sizes", "tokens", "coming", "spare", "chosen"),
    [
        pytest.param([50, 30], 50, 0, 0, [0], id="nothing under way: the closest fit"),
        # 50 now would leave 0 + 16 + 10, nobody's. 38 now leave 12 + 16 + 10, just enough for the other.
        pytest.param([50, 38, 38], 50, 16, 10, [1], id="what is coming back makes room for a second one"),
        pytest.param([50, 38, 38], 50, 0, 0, [0], id="without that it would be left over"),
        pytest.param([50, 35, 35], 50, 10, 10, [0], id="the small are not spent on what one call gives back"),
        pytest.param([9, 5, 5], 9, 10**9, 1, [0], id="far ahead any room can be filled"),
        pytest.param([90_000, 60_000, 60_000], 100_000, 25_000, 1, [1], id="large ones, compared in parts"),
        pytest.param([50, 30], 50, 5, 10, [0], id="there is no second one that it would be enough for"),
        pytest.param([50, 60], 55, 500, 10, [0], id="who fits is not kept waiting for what may come"),
    ],
)
def test_what_comes_back_soon_decides_between_those_that_fit(sizes, tokens, coming, spare, chosen):
    found = packed(sizes, calls=9, tokens=tokens, any_order=len(sizes), coming=coming, spare=spare)
    assert found == chosen


@given(
    st.lists(st.integers(1, 50), max_size=12),
    st.integers(0, 12),
    st.integers(0, 200),
    st.integers(0, 12),
    st.integers(0, 100),
    st.integers(0, 60),
)
def test_no_more_than_there_is_room_for_and_nobody_twice(sizes, calls, tokens, any_order, coming, spare):
    chosen = packed(
        sizes, calls=calls, tokens=tokens, any_order=min(any_order, len(sizes)), coming=coming, spare=spare
    )
    assert len(chosen) == len(set(chosen)) <= calls
    assert sum(sizes[at] for at in chosen) <= tokens
    if any_order and sizes and calls and not chosen:
        assert all(size > tokens for size in sizes[:any_order]), "room that fits somebody is not left unused"
