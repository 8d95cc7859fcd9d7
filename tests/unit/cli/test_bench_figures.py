"""What runs say together, and when a target counts as met."""

import pytest

from posta_cli.bench.figures import (
    AtLeast,
    AtLeastTimes,
    AtMost,
    AtMostAbove,
    NoteAtMost,
    Spread,
    Target,
    all_met,
    spread,
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([3.0], Spread(median=3, min=3, max=3), id="one run is all three"),
        pytest.param(
            [9.0, 1.0, 2.0], Spread(median=2, min=1, max=9), id="an outlier does not move the median"
        ),
        pytest.param([1.0, 2.0, 3.0, 4.0], Spread(median=2.5, min=1, max=4), id="an even number of runs"),
    ],
)
def test_runs_are_summarised_by_their_median_and_their_ends(values, expected):
    assert spread(values) == expected


@pytest.mark.parametrize(
    ("target", "medians", "met"),
    [
        pytest.param(AtLeastTimes(3, "peer"), {"posta": 30, "peer": 10}, True, id="just enough times"),
        pytest.param(AtLeastTimes(3, "peer"), {"posta": 29.9, "peer": 10}, False, id="not enough times"),
        pytest.param(AtLeastTimes(3, "peer"), {"posta": 30}, None, id="the peer did not run"),
        pytest.param(AtLeast(1254.4), {"posta": 1254.4}, True, id="just enough"),
        pytest.param(AtLeast(1254.4), {"posta": 1254.3}, False, id="too little"),
        pytest.param(AtMost(1.5), {"posta": 1.5}, True, id="just soon enough"),
        pytest.param(AtMost(1.5), {"posta": 1.6}, False, id="too late"),
        pytest.param(AtMostAbove(64, "idle"), {"posta": 114, "idle": 50}, True, id="just within"),
        pytest.param(AtMostAbove(64, "idle"), {"posta": 115, "idle": 50}, False, id="too much above"),
        pytest.param(AtMostAbove(64, "idle"), {"posta": 115}, None, id="nothing to be above of"),
        pytest.param(NoteAtMost(0, "early"), {"posta": 9, "early": 0}, True, id="a note within"),
        pytest.param(NoteAtMost(0, "early"), {"posta": 9, "early": 1}, False, id="a note above"),
    ],
)
def test_a_target_is_met_from_its_limit_on(target: Target, medians, met):
    assert target.is_met(medians) is met


@pytest.mark.parametrize(
    ("medians", "met"),
    [
        pytest.param({"posta": 10, "a": 1, "b": 1}, True, id="all are met"),
        pytest.param({"posta": 10, "a": 1}, None, id="one cannot be judged"),
        pytest.param({"posta": 10, "a": 99}, False, id="a missed one outweighs one not judged"),
    ],
)
def test_a_scenario_is_met_only_when_each_of_its_targets_is(medians, met):
    assert all_met([AtLeastTimes(1, "a"), AtLeastTimes(1, "b")], medians) is met


def test_a_target_reads_as_a_sentence_with_its_unit():
    assert AtLeast(1254.4).text("records/s") == "≥ 1,254.4 records/s"
    assert AtMostAbove(64, "idle").text("MiB") == "≤ idle + 64 MiB"
