"""Measures the frequent questions of faq.yaml, as `posta llm eval-faq` shows it."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_worker.faq.evaluation import Figures, Half, Verdict, by_group, judge
from llm_worker.faq.evaluation_file import FILE_NAME as EVALUATION
from llm_worker.faq.evaluation_file import read_evaluation
from llm_worker.faq.file import FILE_NAME as FAQ
from llm_worker.faq.file import read_faq
from posta.errors import ConfigurationError
from posta_cli import rules
from posta_cli.errors import CommandError
from posta_cli.given import read_given

_SHOWN_CHARS = 90


def faq_lines(set_file: Path | None, *, all_errors: bool) -> list[str]:
    """The table for a person, and what went wrong."""
    verdicts = _verdicts(set_file)
    return [*_table(by_group(verdicts)), *_wrong_lines(_wrong(verdicts, all_errors=all_errors))]


def faq_document(set_file: Path | None, *, all_errors: bool) -> dict[str, Any]:
    """The same for programs."""
    verdicts = _verdicts(set_file)
    return _report(by_group(verdicts), _wrong(verdicts, all_errors=all_errors))


def _wrong(verdicts: Sequence[Verdict], *, all_errors: bool) -> list[Verdict]:
    return [
        verdict
        for verdict in verdicts
        if not verdict.is_right and (all_errors or verdict.asked.half is Half.TUNE)
    ]


def _verdicts(set_file: Path | None) -> list[Verdict]:
    config_dir = rules.find(read_given(os.environ, Path.cwd()), Path.cwd())
    if config_dir is None:
        raise CommandError("There is no folder of rules here.", "Set POSTA_CONFIG_DIR to it.")
    try:
        faq = read_faq(config_dir / FAQ)
        asked = read_evaluation(set_file or config_dir / EVALUATION).labelled()
    except ConfigurationError as exc:
        raise CommandError(f"{exc}.", "Correct the file and try again.") from exc
    unknown = {labelled.entry for labelled in asked} - {None, *(entry.id for entry in faq.entries)}
    if unknown:
        names = ", ".join(sorted(str(name) for name in unknown))
        raise CommandError(f"The set names entries that faq.yaml does not have: {names}.", "Correct either.")
    matcher = faq.matcher()

    def entry_of(question: str) -> str | None:
        entry = matcher.match(question)
        return entry.id if entry else None

    return judge(asked, entry_of, time.perf_counter)


def _table(groups: Mapping[str, Figures]) -> list[str]:
    heading = (
        f"{'':<10}{'questions':>10}{'in scope':>10}{'answered':>10}{'right':>7}"
        f"{'precision':>11}{'recall':>8}{'mean ms':>9}{'max ms':>8}"
    )
    return [heading] + [
        f"{name:<10}{all_.questions:>10}{all_.in_scope:>10}{all_.answered:>10}{all_.right:>7}"
        f"{all_.precision:>11.3f}{all_.recall:>8.3f}{all_.mean_ms:>9.3f}{all_.max_ms:>8.3f}"
        for name, all_ in groups.items()
    ]


def _wrong_lines(wrong: Sequence[Verdict]) -> list[str]:
    lines = [] if not wrong else ["", "wrong (- is the model's to answer)"]
    for verdict in wrong:
        expected, found = verdict.asked.entry or "-", verdict.found or "-"
        question = " ".join(verdict.asked.question.split())[:_SHOWN_CHARS]
        lines.append(f"  {expected:<19} got {found:<19} {question}")
    return lines


def _report(groups: Mapping[str, Figures], wrong: Sequence[Verdict]) -> dict[str, Any]:
    return {
        "groups": {
            name: {
                "questions": all_.questions,
                "in_scope": all_.in_scope,
                "answered": all_.answered,
                "right": all_.right,
                "precision": round(all_.precision, 4),
                "recall": round(all_.recall, 4),
                "mean_ms": round(all_.mean_ms, 4),
                "median_ms": round(all_.median_ms, 4),
                "max_ms": round(all_.max_ms, 4),
            }
            for name, all_ in groups.items()
        },
        "wrong": [
            {
                "question": verdict.asked.question,
                "expected": verdict.asked.entry,
                "found": verdict.found,
                "kind": verdict.asked.kind.value,
                "half": verdict.asked.half.value,
                "language": verdict.asked.language,
            }
            for verdict in wrong
        ],
    }
