"""The estimate of a prompt's tokens comes close to the model's own count, and stays above it."""

import pytest

from llm_worker.asking.calibration import Calibration
from llm_worker.asking.estimate import most_tokens_of
from llm_worker.prompt import Prompt

PROSE = (
    "Where is my order? I placed it ten days ago, and nobody has told me anything about it since then. " * 4
)


def prompt(text):
    return Prompt(system="You answer people by email.", user=text)


def calibrated(*ratios):
    found = Calibration()
    for ratio in ratios:
        found.note(prompt(PROSE), round(ratio * most_tokens_of(prompt(PROSE))))
    return found


def test_nothing_is_believed_before_three_answers():
    assert calibrated(*[0.5] * 2).most_tokens_of(prompt(PROSE)) == most_tokens_of(prompt(PROSE))


def test_then_it_is_close_to_what_the_model_counts_and_above_it():
    most = most_tokens_of(prompt(PROSE))
    early, late = calibrated(*[0.5] * 3), calibrated(*[0.5] * 100)
    assert 0.6 * most < early.most_tokens_of(prompt(PROSE)) < 0.65 * most
    assert 0.5 * most < late.most_tokens_of(prompt(PROSE)) < 0.55 * most


def test_the_worst_answer_of_the_last_two_hundred_decides():
    assert calibrated(*[0.5] * 100, 0.8, *[0.5] * 99).scale == pytest.approx(0.8 * 1.0325, abs=0.005)
    assert calibrated(0.8, *[0.5] * 200).scale == pytest.approx(0.5 * 1.0325, abs=0.005)


def test_it_never_grows_above_the_estimate():
    assert calibrated(*[0.97] * 30).scale == 1


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111 0042",
        "我的订单在哪里呢",
        "aGVsbG8gd29ybGQhIHRoaXMgaXMgYmFzZTY0",
    ],
    ids=["digits", "another script", "no words"],
)
def test_what_is_not_prose_is_estimated_as_before(text):
    found, bare = calibrated(*[0.4] * 20), prompt("")
    before = most_tokens_of(prompt(text)) - most_tokens_of(bare)
    assert found.most_tokens_of(prompt(text)) - found.most_tokens_of(bare) == pytest.approx(before, abs=3)
