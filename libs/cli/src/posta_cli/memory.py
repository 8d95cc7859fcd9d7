"""Erases people and shared answers from what llm-worker remembers, as `posta llm` shows it."""

import getpass
import re

from llm_worker.cache.postgres import AnswerCache
from llm_worker.conversation.erasure import Erasure
from posta.postgres.pool import Database
from posta_cli.database_call import call_database
from posta_cli.errors import CommandError

_APPLICATION = "posta-llm"
_DISCORD = re.compile(r"(?:discord:)?(\d{1,20})")
_EMAIL = re.compile(r"(?:email:)?([^\s:@]+@[^\s@]+)")


def erase_person(user: str, *, dry_run: bool, by: str) -> None:
    """Erase ``user`` or show what that would remove."""
    person = named(user)
    if dry_run:
        erased = call_database(lambda database: Erasure(database).plan(person), application=_APPLICATION)
    else:
        erased = call_database(
            lambda database: Erasure(database).erase(person, by=by or _login()), application=_APPLICATION
        )
    print(
        f"{erased.turns} questions with their answers in {erased.conversations} conversations, "
        f"{erased.answers} stored answers, {erased.shared} shared answers; "
        f"{erased.usage} rows of usage without the person."
    )
    if dry_run:
        print("Nothing was erased (--dry-run).")
        return
    print(f"Erased: {person}. The table erasure has a line about it.")
    print("Dead letters are kept elsewhere: look for theirs in the dead-letter console and discard them.")


def show_cache(scope: str | None) -> None:
    """Print what each scope shares."""
    rows = call_database(lambda database: _cache(database).shared(), application=_APPLICATION)
    shown = [row for row in rows if scope in (None, row.scope)]
    if not shown:
        print("No answer is shared.")
    for row in shown:
        print(f"{row.scope}: {row.answers} answers, given again {row.hits} times")


def clear_cache(scope: str | None) -> None:
    """Forget shared answers."""
    count = call_database(lambda database: _cache(database).clear(scope=scope), application=_APPLICATION)
    print(f"{count} shared answers are forgotten.")


def named(user: str) -> str:
    """The person as conversations name them. Raises ``CommandError`` when that is nobody."""
    if found := _DISCORD.fullmatch(user.strip()):
        return f"discord:{found[1]}"
    if found := _EMAIL.fullmatch(user.strip()):
        return f"email:{found[1].casefold()}"
    raise CommandError(f"{user!r:.80} names nobody.", "Give discord:<user id> or email:<address>.")


def _cache(database: Database) -> AnswerCache:
    return AnswerCache(database, ttl_s=0, asking_s=0)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "an operator"
