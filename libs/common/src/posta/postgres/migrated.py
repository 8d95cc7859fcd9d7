"""Lends a connection to code that can go on without its tables: those that are missing count as away."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg

from posta.errors import Unavailable
from posta.postgres.pool import DEPENDENCY, Connection, Database


@asynccontextmanager
async def migrated(database: Database) -> AsyncIterator[Connection]:
    """Lend a connection inside a transaction. Raises ``Unavailable``, also before the migrations have run."""
    with _missing_is_away():
        async with database.transaction() as connection:
            yield connection


@asynccontextmanager
async def migrated_for_one(database: Database) -> AsyncIterator[Connection]:
    """The same for a single statement, which is a transaction of its own: two round trips less."""
    with _missing_is_away():
        async with database.connection() as connection:
            yield connection


@contextmanager
def _missing_is_away() -> Iterator[None]:
    try:
        yield
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as exc:
        raise Unavailable(DEPENDENCY, "its migrations have not run: posta db migrate") from exc
