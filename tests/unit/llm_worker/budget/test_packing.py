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
        pytest.param([5, 3, 4], 9, 7, 3, [0], id="little room: the largest first, and what fits beside it"),
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


@given(st.lists(st.integers(1, 50), max_size=12), st.integers(0, 12), st.integers(0, 200), st.integers(0, 12))
def test_no_more_than_there_is_room_for_and_nobody_twice(sizes, calls, tokens, any_order):
    chosen = packed(sizes, calls=calls, tokens=tokens, any_order=min(any_order, len(sizes)))
    assert len(chosen) == len(set(chosen)) <= calls
    assert sum(sizes[at] for at in chosen) <= tokens
    if any_order and sizes and calls and not chosen:
        assert all(size > tokens for size in sizes[:any_order]), "room that fits somebody is not left unused"
