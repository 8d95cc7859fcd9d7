"""The delivery ledger on real PostgreSQL."""

import asyncio

import pytest
from support.ledger_contract import LedgerContract, delivery

from notifier.ledger.ledger import Begun, PostgresLedger
from posta.errors import Unavailable
from posta.postgres.migrations import migrate
from posta.postgres.pool import Database
from posta.settings import DatabaseSettings

pytestmark = pytest.mark.integration


@pytest.fixture
async def database(database_url):
    await migrate(database_url)
    database = Database(DatabaseSettings(url=database_url), application="test")
    yield database
    await database.close()


@pytest.fixture
def ledger(database):
    return PostgresLedger(database)


class TestPostgresLedger(LedgerContract):
    @pytest.fixture
    def kept_message_id(self, database):
        async def kept(event_id):
            async with database.connection() as connection:
                return await connection.fetchval(
                    "SELECT message_id FROM delivery WHERE event_id = $1", event_id
                )

        return kept


async def test_of_many_who_begin_at_once_one_is_fresh(ledger):
    for event_id in ("e1", "e2", "e3"):
        found = await asyncio.gather(*(ledger.begin(delivery(event_id)) for _ in range(20)))
        assert found.count(Begun.FRESH) == 1
        assert found.count(Begun.UNKNOWN) == 19


async def test_only_what_is_old_is_pruned(ledger, database):
    await ledger.begin(delivery("old"))
    await ledger.begin(delivery("new"))
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE delivery SET updated_at = now() - interval '61 days' WHERE event_id = 'old'"
        )
    await ledger.prune(older_than_s=60 * 24 * 3600)
    assert await ledger.begin(delivery("old")) is Begun.FRESH
    assert await ledger.begin(delivery("new")) is Begun.UNKNOWN


async def test_a_database_that_is_away_is_unavailable():
    database = Database(DatabaseSettings(url="postgresql://posta@127.0.0.1:1/posta"), application="test")
    with pytest.raises(Unavailable):
        await PostgresLedger(database).begin(delivery())
    await database.close()
