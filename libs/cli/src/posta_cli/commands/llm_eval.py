"""`posta llm eval-faq`: how often the frequent questions of faq.yaml are recognised rightly."""

import json
from pathlib import Path
from typing import Annotated

import typer


def eval_faq(
    *,
    set_file: Annotated[
        Path | None, typer.Option("--set", help="Labelled questions; default: faq-evaluation.yaml.")
    ] = None,
    all_errors: Annotated[
        bool,
        typer.Option(
            "--all-errors", help="Show the held-out errors too; who has read them cannot measure by them."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Measure the frequent questions of faq.yaml: precision, recall, time, and which they get wrong.

    Precision: right answers among those given. Recall: questions in scope that got their answer.
    Nothing needs to run.
    """
    # A service's own code, which no other command needs: not loaded by `posta status` and the like.
    from posta_cli.faq_report import faq_document, faq_lines  # noqa: PLC0415

    if as_json:
        print(json.dumps(faq_document(set_file, all_errors=all_errors), indent=2, ensure_ascii=False))
    else:
        print("\n".join(faq_lines(set_file, all_errors=all_errors)))
