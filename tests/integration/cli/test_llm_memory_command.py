"""`posta llm erase` and `posta llm cache` on a real PostgreSQL, and whom a name means."""

import asyncio
from dataclasses import replace

import pytest
from support.sharing import answer
from support.turns import new_turn
from typer.testing import CliRunner

from llm_worker.cache.postgres import AnswerCache
from llm_worker.conversation.postgres import Conversations
from posta.postgres.migrations import migrate
from posta.postgres.pool import Database
from posta.settings import DatabaseSettings
from posta_cli.__main__ import app
from posta_cli.errors import CommandError

pytestmark = pytest.mark.integration


async def _fill(url):
    await migrate(url)
    database = Database(DatabaseSettings(url=url), application="test")
    try:
        turn = new_turn("email:thread:1", 1, person="email:ana@example.test")
        await Conversations(database).add(replace(turn, event_id="e1"))
        cache = AnswerCache(database, ttl_s=60, asking_s=60)
        for event, scope in (("e1", "mailbox:a"), ("e2", "guild:1")):
            await cache.look(event, scope=scope, event_id=event, conversation="new")
            await answer(database, event)
        await cache.look("e2", scope="guild:1", event_id="e3", conversation="new")
    finally:
        await database.close()


@pytest.fixture
def posta(database_url, tmp_path, monkeypatch):
    asyncio.run(_fill(database_url))
    monkeypatch.setenv("POSTA_DATABASE__URL", database_url)
    monkeypatch.setenv("POSTA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        done = CliRunner().invoke(app, ["llm", *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    return run


def test_a_person_is_erased_after_a_dry_run_and_only_once(posta):
    what = "1 questions with their answers in 1 conversations, 1 stored answers, 1 shared answers;"
    shown = posta("erase", "--user", "Ana@Example.test", "--dry-run")
    assert what in shown
    assert "Nothing was erased" in shown
    done = posta("erase", "--user", "email:ana@example.test", "--by", "marta")
    assert what in done
    assert "Erased: email:ana@example.test" in done
    assert "0 questions with their answers in 0 conversations" in posta("erase", "--user", "ana@example.test")


@pytest.mark.parametrize("user", ["", "ana", "discord:ana", "email:ana", "slack:1", "a b@c"])
def test_a_name_that_means_nobody_erases_nobody(posta, user):
    with pytest.raises(CommandError, match="names nobody"):
        posta("erase", "--user", user)


def test_shared_answers_are_listed_and_forgotten_by_scope_or_all(posta):
    assert posta("cache").splitlines() == [
        "guild:1: 1 answers, given again 1 times",
        "mailbox:a: 1 answers, given again 0 times",
    ]
    assert "1 shared answers are forgotten." in posta("cache", "--clear", "--scope", "guild:1")
    assert posta("cache").splitlines() == ["mailbox:a: 1 answers, given again 0 times"]
    assert "1 shared answers are forgotten." in posta("cache", "--clear")
    assert posta("cache").strip() == "No answer is shared."
