"""`posta catalogue`: import the products that answers quote, and try what a question finds."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Import and search the products that answers quote.")


@app.command(name="import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A .csv with a header line, or a .json list of products.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and stop.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also remove the products that the file does not have.")
    ] = False,
) -> None:
    """Add the file's products and change those that differ; all of it or nothing.

    Fields: sku and name; optional: description, category, price, currency (EUR), stock, sizes (S|M|L), url.
    """
    # A service's own code, which no other command needs: not loaded by `posta status` and the like.
    from posta_cli.goods import import_goods  # noqa: PLC0415

    import_goods(file, dry_run=dry_run, replace=replace)


@app.command()
def search(text: Annotated[str, typer.Argument(help="A question, as a person would ask it.")]) -> None:
    """Show what a question's prompt would carry of the catalogue."""
    from posta_cli.goods import show_found  # noqa: PLC0415 - as above

    show_found(text)
