"""Imports and searches the catalogue, as `posta catalogue` shows it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from llm_worker.catalogue.excerpt import excerpt
from llm_worker.catalogue.file import read_catalogue
from llm_worker.catalogue.intent import intents_of
from llm_worker.catalogue.postgres import Catalogue
from llm_worker.catalogue.product import Diff
from posta.errors import ConfigurationError
from posta_cli.database_call import call_database
from posta_cli.errors import CommandError

R = TypeVar("R")
_SHOWN = 20


def import_goods(file: Path, *, dry_run: bool, replace: bool) -> None:
    """Import ``file``, or show what that would change."""
    try:
        products = read_catalogue(file)
    except ConfigurationError as exc:
        raise CommandError(f"{exc}.", "Nothing was imported. Correct the file and try again.") from exc
    if dry_run:
        _show(_run(lambda catalogue: catalogue.plan(products, replace=replace)))
        print("Nothing was changed (--dry-run).")
        return
    changes = _run(lambda catalogue: catalogue.load(products, source=file.name, replace=replace))
    _show(changes)
    version = _run(lambda catalogue: catalogue.version())
    print(f"The catalogue is at version {version}.")


def show_found(text: str) -> None:
    """Print what a question's prompt would carry."""
    found = _run(lambda catalogue: catalogue.search(text))
    intents = intents_of(text)
    print(f"Asked: {', '.join(sorted(intent.value for intent in intents)) or 'nothing of a product'}")
    print(excerpt(found, intents) or "No product.")


def _show(changes: Diff) -> None:
    if changes.is_empty:
        print("Nothing differs.")
    lines = [f"+ {sku}" for sku in changes.added]
    lines += [f"~ {sku}: {', '.join(names)}" for sku, names in changes.changed]
    lines += [f"- {sku}" for sku in changes.removed]
    for line in lines[:_SHOWN]:
        print(line)
    if len(lines) > _SHOWN:
        print(f"… and {len(lines) - _SHOWN} more")
    print(f"{len(changes.added)} added, {len(changes.changed)} changed, {len(changes.removed)} removed.")


def _run(act: Callable[[Catalogue], Awaitable[R]]) -> R:
    return call_database(lambda database: act(Catalogue(database)), application="posta-catalogue")
