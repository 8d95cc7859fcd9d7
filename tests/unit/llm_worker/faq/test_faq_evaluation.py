"""What the evaluation counts, and that the frequent questions meet their target on the committed set."""

import itertools
import time
from collections import Counter
from pathlib import Path

import pytest

from llm_worker.faq.evaluation import Figures, Half, Kind, Labelled, Verdict, by_group, figures, judge
from llm_worker.faq.evaluation_file import FILE_NAME, read_evaluation
from llm_worker.faq.file import read_faq
from posta.errors import ConfigurationError

_CONFIG = Path(__file__).parents[4] / "deploy" / "config"
FAQ = read_faq(_CONFIG / "faq.yaml")
QUESTIONS = read_evaluation(_CONFIG / FILE_NAME).labelled()
_MOST_MEDIAN_MS = 5.0


def _asked(question="q", entry=None, kind=Kind.OUT, language="en", *, is_seen=False):
    return Labelled(question=question, entry=entry, kind=kind, language=language, is_seen=is_seen)


def _verdict(entry, found, took_s=0.001):
    kind = Kind.IN if entry else Kind.NEAR
    return Verdict(asked=_asked(entry=entry, kind=kind), found=found, took_s=took_s)


@pytest.fixture(scope="module")
def verdicts():
    matcher = FAQ.matcher()

    def entry_of(question):
        entry = matcher.match(question)
        return entry.id if entry else None

    return judge(QUESTIONS, entry_of, time.perf_counter)


def test_precision_is_of_the_answers_given_and_recall_of_the_questions_in_scope():
    found = figures(
        [
            _verdict("a", "a"),
            _verdict("a", "b"),
            _verdict("a", None),
            _verdict("b", None),
            _verdict(None, "a"),
            _verdict(None, None),
        ]
    )
    assert (found.questions, found.in_scope, found.answered, found.right) == (6, 4, 3, 1)
    assert found.precision == pytest.approx(1 / 3)
    assert found.recall == pytest.approx(1 / 4)


def test_nothing_asked_is_nothing_wrong():
    nothing = figures([])
    assert nothing == Figures(
        questions=0, in_scope=0, answered=0, right=0, mean_ms=0.0, median_ms=0.0, max_ms=0.0
    )
    assert (nothing.precision, nothing.recall) == (1.0, 1.0)


def test_times_are_told_in_milliseconds():
    found = figures([_verdict(None, None, took_s) for took_s in (0.001, 0.002, 0.009)])
    assert (found.mean_ms, found.median_ms, found.max_ms) == pytest.approx((4.0, 2.0, 9.0))


def test_each_question_is_judged_by_what_is_found_for_it_and_timed():
    ticks = itertools.count(step=0.5)
    judged = judge(
        [_asked("one", "a", Kind.IN), _asked("two")], {"one": "a", "two": "b"}.get, lambda: next(ticks)
    )
    assert [(verdict.found, verdict.is_right, verdict.took_s) for verdict in judged] == [
        ("a", True, 0.5),
        ("b", False, 0.5),
    ]


def test_a_questions_half_is_its_own_and_a_seen_one_is_never_held_out():
    halves = [_asked(f"question {number}").half for number in range(200)]
    assert halves == [_asked(f"question {number}").half for number in range(200)]
    assert 60 < Counter(halves)[Half.HELD_OUT] < 140
    assert {_asked(f"question {number}", is_seen=True).half for number in range(200)} == {Half.TUNE}


def test_groups_are_all_then_halves_then_languages():
    groups = by_group(judge([_asked("a", language="es"), _asked("b")], lambda _: None, lambda: 0.0))
    assert list(groups) == ["all", "tune", "held-out", "en", "es"]
    assert groups["tune"].questions + groups["held-out"].questions == groups["all"].questions == 2
    assert groups["en"].questions == groups["es"].questions == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{question: a, entry: null, kind: in, language: en}", "exactly when an entry answers"),
        ("{question: a, entry: b, kind: near, language: en}", "exactly when an entry answers"),
        ("{question: a, entry: b, kind: in, language: fr}", "questions/0/language"),
        ("{question: '', entry: b, kind: in, language: en}", "questions/0/question"),
        (
            "{question: a, entry: b, kind: in, language: en},{question: a, entry: c, kind: in, language: es}",
            "stands in the file twice",
        ),
    ],
)
def test_a_wrong_set_is_refused_with_its_reason(tmp_path, row, reason):
    path = tmp_path / "set.yaml"
    path.write_text(f"questions: [{row}]", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=reason):
        read_evaluation(path)


def test_the_committed_set_covers_every_entry_kind_and_language():
    assert len(QUESTIONS) >= 200
    by_entry = Counter(asked.entry for asked in QUESTIONS if asked.entry)
    assert set(by_entry) == {entry.id for entry in FAQ.entries}
    assert min(by_entry.values()) >= 6
    by_kind = Counter((asked.kind, asked.language) for asked in QUESTIONS)
    assert min(by_kind[kind, language] for kind in Kind for language in ("en", "es")) >= 25


def test_the_frequent_questions_meet_their_target_in_both_halves_and_languages(verdicts):
    for name, found in by_group(verdicts).items():
        assert found.precision >= 0.98, name
        assert found.recall >= 0.8, name


def test_a_question_is_recognised_in_less_than_5_ms(verdicts):
    assert figures(verdicts).median_ms < _MOST_MEDIAN_MS
