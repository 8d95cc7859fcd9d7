"""`posta llm erase` and `posta llm cache`: what llm-worker remembers, for whoever has to answer for it."""

from typing import Annotated

import typer


def erase(
    user: Annotated[
        str, typer.Option("--user", help="discord:<user id> or email:<address>; the id or address will do.")
    ],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be erased, and stop.")] = False,
    by: Annotated[str, typer.Option(help="Who erases, for the audit. Default: your login.")] = "",
) -> None:
    """Erase a person: conversations, stored answers and shared answers; all of it or nothing.

    A line in the table erasure says when and by whom, with a hash in place of the person.
    """
    # A service's own code, which no other command needs: not loaded by `posta status` and the like.
    from posta_cli.memory import erase_person  # noqa: PLC0415

    erase_person(user, dry_run=dry_run, by=by)


def cache(
    *,
    clear: Annotated[bool, typer.Option("--clear", help="Forget the shared answers.")] = False,
    scope: Annotated[
        str, typer.Option(help="Of this guild, person or mailbox only, such as guild:123. Default: all.")
    ] = "",
) -> None:
    """Show what answers are shared, or forget them."""
    from posta_cli.memory import clear_cache, show_cache  # noqa: PLC0415 - as above

    if clear:
        clear_cache(scope or None)
    else:
        show_cache(scope or None)
