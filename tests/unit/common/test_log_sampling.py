"""Log sampling: a flood of like lines is written in part, and says how much of it is missing."""

import contextlib

import pytest
import structlog

from posta.telemetry.sampling import Sampling


class Written:
    """What passes a ``Sampling`` of three lines a second."""

    def __init__(self):
        self.now = 1000.0
        self.sampling = Sampling(3, monotonic=lambda: self.now)

    def lines(self, count, event="retried", *, method="warning"):
        """Those of ``count`` lines that pass."""
        passed = []
        for number in range(count):
            with contextlib.suppress(structlog.DropEvent):
                passed.append(self.sampling(None, method, {"event": event, "number": number}))
        return passed


def test_what_is_no_flood_is_written_whole_and_as_it_is():
    assert Written().lines(3) == [{"event": "retried", "number": number} for number in range(3)]


def test_of_a_flood_one_in_a_hundred_is_written_and_tells_how_many_are_missing():
    passed = Written().lines(250)
    assert [line["number"] for line in passed] == [0, 1, 2, 102, 202]
    assert [line.get("omitted") for line in passed] == [None, None, None, 99, 99]


def test_the_next_second_begins_anew_and_tells_what_was_left_out_before():
    written = Written()
    written.lines(50)
    written.now += 1
    assert written.lines(2) == [
        {"event": "retried", "number": 0, "omitted": 47},
        {"event": "retried", "number": 1},
    ]


def test_each_event_has_its_own_count():
    written = Written()
    written.lines(50, "retried")
    assert len(written.lines(3, "delivered")) == 3


@pytest.mark.parametrize("method", ["error", "exception", "critical"])
def test_errors_are_always_written(method):
    assert len(Written().lines(50, method=method)) == 50
