"""Lanes: a wait is ridden in hops that never overshoot it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posta.domain.lanes import DEFAULT_DELAYS_S, SLACK_S, Lanes, lane_label


@pytest.mark.parametrize(
    ("wait_s", "lane"),
    [
        pytest.param(0, None, id="no wait"),
        pytest.param(4.8, None, id="shorter than every lane: memory"),
        pytest.param(4.95, 5, id="a lane's delay of which a moment has passed"),
        pytest.param(5, 5, id="exactly a lane"),
        pytest.param(29.8, 5, id="the longest lane not longer"),
        pytest.param(120, 120, id="two minutes"),
        pytest.param(86_400, 3600, id="beyond the longest: the longest, again and again"),
    ],
)
def test_which_lane_a_wait_rides(wait_s, lane):
    assert Lanes().lane_for(wait_s) == lane


@given(wait_s=st.floats(0, 100_000))
def test_hops_end_in_memory_and_overshoot_by_no_more_than_the_slack(wait_s):
    lanes, left, hops = Lanes(), wait_s, 0
    while (lane := lanes.lane_for(left)) is not None:
        assert lane <= left + SLACK_S
        left -= lane
        hops += 1
    assert -SLACK_S <= left < min(DEFAULT_DELAYS_S)
    assert hops <= 20 + wait_s // 3600


def test_without_lanes_every_wait_is_in_memory():
    assert Lanes(delays_s=()).lane_for(10_000) is None


@pytest.mark.parametrize("delays", [(30, 5), (5, 5), (0, 5)])
def test_delays_must_ascend(delays):
    with pytest.raises(ValueError, match="ascending"):
        Lanes(delays_s=delays)


def test_labels_name_the_largest_unit():
    assert [lane_label(d) for d in (1, 5, 90, 120, 600, 3600, 7200)] == [
        "1s", "5s", "90s", "2m", "10m", "1h", "2h",
    ]  # fmt: skip
