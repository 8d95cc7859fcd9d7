"""What `posta llm eval-faq` prints, and which errors it keeps to itself."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_worker.faq.evaluation import Half, Kind, Labelled
from posta_cli.commands.llm import app
from posta_cli.errors import CommandError

RULES = (
    "concepts: {shipping: [ship], how: [how]}\nneutral: [how]\n"
    "entries: [{id: where, category: a, asks: [[shipping]], answer: {en: here, es: aqui}}]\n"
)


def _in_half(half: Half, words: str) -> str:
    texts = (f"{words}{'?' * marks}" for marks in range(1, 50))
    return next(
        text
        for text in texts
        if Labelled(question=text, entry=None, kind=Kind.OUT, language="en").half is half
    )


TUNE, HELD_OUT = _in_half(Half.TUNE, "deliver"), _in_half(Half.HELD_OUT, "deliver")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = [
        {"question": question, "entry": "where", "kind": "in", "language": "en"}
        for question in (TUNE, HELD_OUT, "how ship")
    ]
    (tmp_path / "faq.yaml").write_text(RULES)
    (tmp_path / "faq-evaluation.yaml").write_text(json.dumps({"questions": rows}))
    monkeypatch.setenv("POSTA_CONFIG_DIR", str(tmp_path))
    return lambda *options: CliRunner().invoke(app, ["eval-faq", *options])


def test_the_report_counts_everything_and_shows_the_errors_of_the_tune_half_only(run) -> None:
    report = json.loads(run("--json").stdout)
    assert report["groups"]["all"]["recall"] == pytest.approx(1 / 3, abs=1e-4)
    assert report["groups"]["all"]["precision"] == 1.0
    assert [wrong["question"] for wrong in report["wrong"]] == [TUNE]


def test_held_out_errors_are_shown_when_asked_for(run) -> None:
    report = json.loads(run("--json", "--all-errors").stdout)
    assert {wrong["question"] for wrong in report["wrong"]} == {TUNE, HELD_OUT}


def test_for_people_it_is_a_table_and_the_wrong_ones(run) -> None:
    said = run().stdout
    assert [line.split()[0] for line in said.splitlines()[1:5]] == ["all", "tune", "held-out", "en"]
    assert f"where               got -                   {TUNE}" in said


def test_a_set_with_an_entry_that_is_not_in_the_rules_is_refused(run, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("questions: [{question: a, entry: lost, kind: in, language: en}]")
    refused = run("--set", str(other)).exception
    assert isinstance(refused, CommandError)
    assert "lost" in str(refused)
