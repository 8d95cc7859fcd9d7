"""The books on real PostgreSQL: many visitors at once, and what a new process finds."""

import asyncio
import time

import pytest

from llm_worker.budget.allowance import Allowance
from llm_worker.budget.lease import NoRoom
from llm_worker.budget.postgres import PostgresBooks
from llm_worker.budget.purse import Purse
from llm_worker.budget.visit import Need, Rules
from llm_worker.circuit.breaker import Report
from posta.errors import Unavailable
from posta.postgres.migrations import migrate
from posta.postgres.pool import Database
from posta.settings import DatabaseSettings

pytestmark = pytest.mark.integration
RULES = Rules(allowance=Allowance(rpm=20, tpm=10_000, concurrency=50))


@pytest.fixture
async def database(database_url):
    await migrate(database_url)
    database = Database(DatabaseSettings(url=database_url), application="test")
    yield database
    await database.close()


def purse(database, owner, rules=RULES):
    return Purse("b", PostgresBooks(database), rules, owner=owner)


async def test_of_many_workers_at_once_as_many_calls_are_let_through_as_are_allowed(database):
    purses = [purse(database, f"w{number}") for number in range(6)]
    found = await asyncio.gather(
        *(one.reserve(Need(tokens=10), tenant="t") for one in purses for _ in range(10)),
        return_exceptions=True,
    )
    had = [one for one in found if not isinstance(one, BaseException)]
    assert all(isinstance(one, NoRoom) for one in found if isinstance(one, BaseException))
    assert 0 < len(had) <= 20
    view = await purses[0].look()
    assert view.windows[0].used == len(had)


async def test_a_new_process_finds_what_the_group_has_used(database):
    old = purse(database, "old")
    reservation = await old.reserve(Need(tokens=100), tenant="t")
    old.settle(reservation, begun=time.monotonic(), tokens=60, report=Report(ok=1))
    await old.close()
    view = await purse(database, "new").look()
    assert [(one.name, one.used) for one in view.windows] == [
        ("rpm", 1),
        ("tpm", 60),
        ("rpd", 1),
        ("tpd", 60),
    ]


async def test_a_circuit_that_one_worker_opened_is_open_for_all(database):
    ill, other = purse(database, "ill"), purse(database, "other")
    for _ in range(3):
        reservation = await ill.reserve(Need(tokens=1), tenant="t")
        ill.settle(reservation, begun=time.monotonic(), tokens=1, report=Report(failed=1))
    await ill.look()
    with pytest.raises(NoRoom, match="circuit"):
        await other.reserve(Need(tokens=1), tenant="t")


async def test_a_book_that_was_deleted_is_opened_anew(database):
    one = purse(database, "one")
    await one.look()
    async with database.connection() as connection:
        await connection.execute("DELETE FROM llm_book")
    assert (await one.look()).windows[0].used == 0


async def test_a_database_that_is_away_is_named_and_nothing_is_spent():
    away = Database(
        DatabaseSettings(url="postgresql://x@127.0.0.1:1/none", command_timeout_s=1), application="test"
    )
    with pytest.raises(Unavailable, match="postgres"):
        await purse(away, "one").reserve(Need(tokens=1), tenant="t")
