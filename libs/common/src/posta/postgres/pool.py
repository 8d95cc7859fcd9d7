"""A PostgreSQL pool whose failures say what kind they are: the database is away, or we are wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from typing import Self

import asyncpg

from posta.errors import Unavailable
from posta.postgres.lending import Lending
from posta.settings import DatabaseSettings
from posta.tasks import within

DEPENDENCY = "postgres"
"""The name of the engine's gate for the database."""

Connection = asyncpg.pool.PoolConnectionProxy
"""A pooled connection, as ``Database.connection`` lends it."""

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    asyncpg.QueryCanceledError,
    asyncpg.DiskFullError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # Not away, but the same is to be done: nothing of the statement happened, and it may be tried again.
    asyncpg.DeadlockDetectedError,
)


class Session(Enum):
    """What becomes of a connection's session when it is given back."""

    RESET = "reset"
    """Locks, settings and cursors of the session end; that is a round trip each time."""
    UNTOUCHED = "untouched"
    """Nothing is done: for a program whose statements leave nothing of the kind behind."""


class Database:
    """A lazily connected pool: a service starts, and keeps running, while PostgreSQL is away."""

    def __init__(
        self, settings: DatabaseSettings, *, application: str, session: Session = Session.RESET
    ) -> None:
        self._settings = settings
        self._application = application
        self._session = session
        self._lending: Lending | None = None
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection. Raises ``Unavailable`` when the database cannot be reached or cuts it.

        Whatever the database says about the statement itself (a constraint, a type) passes through.
        """
        try:
            lending = self._lending or await self._connected()
            connection = await lending.lend(timeout_s=self._settings.command_timeout_s)
            is_sound = False
            try:
                yield connection
                is_sound = True
            except asyncpg.InternalClientError as exc:
                if not _is_astray(exc):
                    raise
                connection.terminate()
                raise Unavailable(DEPENDENCY, type(exc).__name__) from exc
            finally:
                await lending.take_back(connection, is_sound=is_sound)
        except _AWAY as exc:
            raise Unavailable(DEPENDENCY, type(exc).__name__) from exc

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction; same errors as ``connection``."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def ping(self) -> None:
        """Return when the database answers. Raises ``Unavailable`` when it does not."""
        async with self.connection() as connection:
            await connection.fetchval("SELECT 1")

    async def close(self) -> None:
        """Close all connections, cutting those still busy after a moment."""
        lending, self._lending = self._lending, None
        if lending is None:
            return
        try:
            await within(2, lending.close())
        except TimeoutError:
            lending.terminate()

    async def _connected(self) -> Lending:
        async with self._opening:
            if self._lending is None:
                pool = await asyncpg.create_pool(
                    self._settings.url.get_secret_value(),
                    min_size=self._settings.pool_min,
                    max_size=self._settings.pool_max,
                    timeout=self._settings.command_timeout_s,
                    command_timeout=self._settings.command_timeout_s,
                    server_settings={"application_name": self._application},
                    reset=None if self._session is Session.RESET else _leave_as_it_is,
                )
                self._lending = Lending(pool, keeps=self._session is Session.UNTOUCHED)
            return self._lending


def _is_astray(error: asyncpg.InternalClientError) -> bool:
    """Whether asyncpg speaks of the connection's own state.

    A server that is killed may have said so to an idle connection; the next statement on it is then refused
    with "cannot switch to state 11; another operation (2) is in progress", whatever the statement is.
    """
    return str(error).startswith("cannot switch to state")


async def _leave_as_it_is(_connection: asyncpg.Connection) -> None:
    """A transaction that was left open asyncpg has rolled back before it asks for this."""
