"""`posta reference`: write the reference pages from the code, or say which are out of date."""

from pathlib import Path
from typing import Annotated

import typer

from posta_cli.errors import CommandError
from posta_cli.reference import folder


def reference(
    context: typer.Context,
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a page is stale.")] = False,
    out: Annotated[Path, typer.Option("--out", help="Where the pages are.")] = Path("docs/reference"),
) -> None:
    """Make the reference pages from the code, in a checkout of the repository."""
    # Imports every service; the other commands start without them.
    from posta_cli.reference.pages import pages  # noqa: PLC0415

    wanted = pages(context.find_root().command)
    if check:
        _fail_if_stale(folder.stale(out, wanted), out)
        return
    for name in folder.write(out, wanted):
        print(f"  written  {out / name}")
    leftover = folder.stale(out, wanted)
    for name in leftover:
        print(f"  nothing makes  {out / name}: remove it")


def _fail_if_stale(stale: list[str], out: Path) -> None:
    if stale:
        raise CommandError(f"Out of date below {out}: {', '.join(stale)}.", "Run: make reference")
    print(f"Every page below {out} is up to date.")
