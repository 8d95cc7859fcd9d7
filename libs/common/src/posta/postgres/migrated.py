"""Lends a connection to code that can go on without its tables: those that are missing count as away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from posta.errors import Unavailable
from posta.postgres.pool import DEPENDENCY, Connection, Database


@asynccontextmanager
async def migrated(database: Database) -> AsyncIterator[Connection]:
    """Lend a connection inside a transaction. Raises ``Unavailable``, also before the migrations have run."""
    try:
        async with database.transaction() as connection:
            yield connection
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as exc:
        raise Unavailable(DEPENDENCY, "its migrations have not run: posta db migrate") from exc
