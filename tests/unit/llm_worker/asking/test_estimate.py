"""The estimate of tokens against the counts of six real tokenizers: never less, and not far above."""

import statistics
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from llm_worker.asking.calibration import Calibration
from llm_worker.asking.estimate import estimate
from llm_worker.prompt import Prompt

_DOCS = Path(__file__).parents[4] / "docs" / "llm-worker.md"
_ROWS = yaml.safe_load(Path(__file__).with_name("token_counts.yaml").read_text("utf-8"))
TOKENIZERS = tuple(_ROWS[0]["tokens"])
OURS = {"en", "es", "any"}
PROMPT = "question and catalogue"


def errors(rows):
    """How much more was estimated than counted, as shares, smallest first."""
    return sorted(estimate(row["text"]).tokens / n - 1 for row in rows for n in row["tokens"].values())


def by_kind():
    found = defaultdict(list)
    for row in _ROWS:
        language = row["language"] if row["language"] in OURS else "21 others"
        found[row["kind"], language].append(row)
    return found


def percent(share):
    return f"{100 * share:+.0f} %"


@pytest.mark.parametrize(
    "row", [row for row in _ROWS if row["language"] in OURS], ids=lambda row: row["kind"]
)
def test_english_spanish_and_what_is_no_language_is_never_estimated_too_low(row):
    assert estimate(row["text"]).tokens >= max(row["tokens"].values())


def test_of_21_other_languages_basque_alone_is_estimated_too_low_and_by_six_percent_at_most():
    others = [row for row in _ROWS if row["language"] not in OURS]
    short = {
        (row["language"], name): estimate(row["text"]).tokens / n - 1
        for row in others
        for name, n in row["tokens"].items()
        if estimate(row["text"]).tokens < n
    }
    assert {language for language, _ in short} <= {"eu"}
    assert min(short.values(), default=0) >= -0.06


@pytest.mark.parametrize("language", ["en", "es"])
def test_prose_is_not_estimated_at_more_than_three_times_what_it_is(language):
    assert errors(by_kind()["prose", language])[-1] < 2


def test_half_of_the_questions_are_estimated_at_most_half_too_high():
    assert statistics.median(errors(by_kind()[PROMPT, "any"])) < 0.5


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_what_was_learned_from_a_models_own_counts_is_close_and_on_the_safe_side(tokenizer):
    """Twenty prompts teach; the other twenty are estimated by what was learned."""
    prompts = [row for row in _ROWS if row["kind"] == PROMPT]
    calibration = Calibration()
    for row in prompts[::2]:
        calibration.note(Prompt(system="", user=row["text"]), row["tokens"][tokenizer])
    found = [
        calibration.most_tokens_of(Prompt(system="", user=row["text"])) / row["tokens"][tokenizer] - 1
        for row in prompts[1::2]
    ]
    assert min(found) >= 0
    assert statistics.median(found) < 0.5


@pytest.mark.parametrize("mixed", ["xkcdrtpq", "7f3a-99", "ABCDEFG", "中文"])
def test_what_is_no_word_costs_the_words_beside_it_nothing(mixed):
    words = "where is the order that I paid for last week, please"
    apart = estimate(words).tokens + estimate(f" {mixed}").tokens
    assert estimate(f"{words} {mixed}").tokens == apart


def test_the_page_tells_the_measured_error():
    page = _DOCS.read_text("utf-8")
    for (kind, language), rows in by_kind().items():
        found = errors(rows)
        p50, p95 = statistics.median(found), found[int(0.05 * len(found))]
        line = (
            f"| {kind} | {language} | {len(rows)} | {percent(p50)} | {percent(p95)} | {percent(found[0])} |"
        )
        assert line in page, line
