"""What the tests of llm-worker's memory share: a migrated database of their own."""

import pytest

from posta.postgres.migrations import migrate
from posta.postgres.pool import Database
from posta.settings import DatabaseSettings


@pytest.fixture
async def database(database_url):
    await migrate(database_url)
    database = Database(DatabaseSettings(url=database_url), application="llm-worker-test")
    yield database
    await database.close()
