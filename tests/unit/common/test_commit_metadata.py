"""Commit metadata: what fits comes back exactly, what does not is only redone, garbage is nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posta.domain.commit_metadata import MAX_BYTES, decode, encode

MARKS = st.integers(0, 10**12)
SPARSE = st.sets(st.integers(1, 100_000), max_size=300)
DENSE = st.builds(
    lambda size, holes: set(range(1, size)) - holes,
    st.integers(1, 20_000),
    st.sets(st.integers(1, 20_000), max_size=40),
)


@given(mark=MARKS, gaps=SPARSE | DENSE)
def test_what_fits_comes_back_exactly(mark, gaps):
    finished = {mark + gap for gap in gaps}
    text = encode(mark, finished)
    assert len(text.encode()) <= MAX_BYTES
    named = decode(mark, text)
    assert named <= finished
    if len(gaps) <= 300 or len(text) < MAX_BYTES - 8:
        assert named == finished


@given(mark=MARKS, gaps=SPARSE, limit=st.integers(8, 64))
def test_what_does_not_fit_is_left_out_from_the_top(mark, gaps, limit):
    finished = sorted(mark + gap for gap in gaps)
    text = encode(mark, finished, max_bytes=limit)
    assert len(text) <= limit
    named = sorted(decode(mark, text))
    assert named == finished[: len(named)], "the lowest are kept: they hold the most work"


@given(mark=MARKS, text=st.text(max_size=60) | st.binary(max_size=60).map(lambda b: "P1r" + b.hex()))
def test_any_text_is_read_without_harm(mark, text):
    assert all(offset >= mark for offset in decode(mark, text))
    assert len(decode(mark, text)) <= 9 * MAX_BYTES


def test_a_huge_run_in_a_foreign_text_allocates_nothing():
    assert decode(0, "P1rAP__________fw") == frozenset()


@pytest.mark.parametrize(
    ("finished", "form"),
    [
        pytest.param([], "", id="nothing finished above: no metadata"),
        pytest.param([100], "", id="the watermark itself is not above it"),
        pytest.param(range(101, 5101), "P1r", id="one long run"),
        pytest.param(range(101, 5101, 2), "P1b", id="every other one"),
    ],
)
def test_the_shorter_form_is_chosen(finished, form):
    text = encode(100, finished)
    assert text[:3] == form
    assert decode(100, text) == frozenset(offset for offset in finished if offset > 100)


def test_five_thousand_scattered_records_fit():
    finished = {offset for offset in range(1, 10_000) if offset % 7 and offset % 3}
    assert decode(0, encode(0, finished)) == finished
