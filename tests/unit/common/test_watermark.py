"""The watermark against a model: it is the lowest unfinished offset, whatever the order of events."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from posta.domain.watermark import Watermark


@pytest.mark.parametrize(
    ("received", "finished", "committable", "gap", "above"),
    [
        pytest.param([], [], None, 0, 0, id="nothing received, nothing to commit"),
        pytest.param([4], [], 4, 1, 0, id="received is not finished"),
        pytest.param([4], [4], 5, 0, 0, id="all finished: the next offset"),
        pytest.param([4, 5, 6], [5, 6], 4, 3, 2, id="the lowest holds it back"),
        pytest.param([4, 5, 6], [5, 4], 6, 1, 0, id="a filled gap moves it over all finished"),
        pytest.param([4, 9, 12], [4], 9, 2, 0, id="gaps in the offsets are no records"),
        pytest.param([4, 9], [9, 4], 10, 0, 0, id="after the last one"),
        pytest.param([4, 5], [5, 5, 4, 4], 6, 0, 0, id="finishing twice changes nothing"),
    ],
)
def test_what_may_be_committed(received, finished, committable, gap, above):
    watermark = Watermark()
    for offset in received:
        watermark.received(offset)
    for offset in finished:
        watermark.finished(offset)
    assert (watermark.committable, watermark.gap, len(watermark.finished_above)) == (committable, gap, above)


def test_an_offset_that_goes_backwards_is_refused():
    watermark = Watermark()
    watermark.received(7)
    with pytest.raises(ValueError, match="offset 7 received after 7"):
        watermark.received(7)


class WatermarkMachine(RuleBasedStateMachine):
    """Random interleavings of fetching, finishing and crashing, beside a set-based model."""

    def __init__(self):
        super().__init__()
        self.next_offset = 0
        self.done: set[int] = set()
        self.log: list[int] = []
        self.committed = 0
        self.restart()

    def restart(self):
        self.watermark = Watermark()
        self.fetched: list[int] = []
        self.position = self.committed

    @rule(skip=st.integers(0, 3))
    def append(self, skip):
        self.next_offset += skip
        self.log.append(self.next_offset)
        self.next_offset += 1

    @precondition(lambda self: any(o >= self.position for o in self.log))
    @rule()
    def fetch(self):
        offset = next(o for o in self.log if o >= self.position)
        self.watermark.received(offset)
        self.fetched.append(offset)
        self.position = offset + 1

    @precondition(lambda self: self.fetched)
    @rule(data=st.data())
    def finish(self, data):
        offset = data.draw(st.sampled_from(self.fetched))
        self.watermark.finished(offset)
        self.done.add(offset)

    @rule()
    def commit(self):
        mark = self.watermark.committable
        if mark is not None:
            assert mark >= self.committed, "never backwards"
            self.committed = mark

    @rule()
    def crash(self):
        self.restart()

    @invariant()
    def nothing_below_the_watermark_is_unfinished(self):
        mark = self.watermark.committable
        if mark is not None:
            assert all(o in self.done for o in self.log if o < mark)

    @invariant()
    def nothing_committed_is_lost(self):
        assert all(o in self.done for o in self.log if o < self.committed)

    @invariant()
    def it_is_as_high_as_it_may_be(self):
        open_ones = [o for o in self.fetched if not self._finished_here(o)]
        if self.fetched:
            expected = open_ones[0] if open_ones else self.fetched[-1] + 1
            assert self.watermark.committable == expected

    def _finished_here(self, offset):
        # After a crash a record counts as finished only when this process finished it.
        return offset in self.done and offset not in self._unfinished_since_restart()

    def _unfinished_since_restart(self):
        pending = self.watermark._pending
        return {o for o in pending if o not in self.watermark._finished}


WatermarkMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestWatermarkMachine = WatermarkMachine.TestCase


@given(st.permutations(range(12)), st.integers(0, 12))
def test_any_order_of_finishing_ends_at_the_same_place(order, cut):
    watermark = Watermark()
    for offset in range(12):
        watermark.received(offset)
    for offset in order[:cut]:
        watermark.finished(offset)
    missing = sorted(set(range(12)) - set(order[:cut]))
    assert watermark.committable == (missing[0] if missing else 12)
    assert len(watermark.finished_above) == cut - (watermark.committable or 0)


@pytest.mark.parametrize("offsets", [(1, 2, 2), (1, 3, 2), (0, 1), (5, 4)])
def test_a_batch_that_does_not_ascend_is_refused_as_a_whole(offsets):
    mark = Watermark()
    mark.received(0)
    with pytest.raises(ValueError, match="offset"):
        mark.received_all(offsets)
    assert (mark.gap, mark.committable) == (1, 0)


def test_a_batch_may_have_gaps():
    mark = Watermark()
    mark.received_all((3, 7, 8))
    for offset in (3, 8):
        mark.finished(offset)
    assert (mark.committable, mark.finished_above) == (7, {8})
