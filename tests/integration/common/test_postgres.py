"""The database adapter and the migrations on a real PostgreSQL."""

import asyncio
import signal

import asyncpg
import pytest
from pydantic import SecretStr

from posta.errors import ConfigurationError, Unavailable
from posta.postgres.migrations import declared, migrate, status
from posta.postgres.pool import Database, Session
from posta.settings import DatabaseSettings

pytestmark = pytest.mark.integration


def pool(url, **changes):
    return Database(DatabaseSettings(url=SecretStr(url), **changes), application="test")


async def test_migrations_run_once_in_order_and_are_reported(database_url):
    names = [migration.name for migration in declared()]
    assert names == sorted(names)
    assert (await status(database_url)).pending == tuple(names)
    assert await migrate(database_url) == names
    assert await migrate(database_url) == []
    assert (await status(database_url)).applied == tuple(names)


async def test_many_processes_migrating_at_once_do_it_once(database_url):
    done = await asyncio.gather(*(migrate(database_url) for _ in range(5)))
    assert sorted(name for names in done for name in names) == [m.name for m in declared()]


async def test_a_migration_changed_after_it_was_applied_is_refused(database_url):
    await migrate(database_url)
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE schema_migration SET sha256 = 'other' WHERE name LIKE '0001%'")
    await connection.close()
    with pytest.raises(ConfigurationError, match="0001_spine was changed after it was applied"):
        await migrate(database_url)


async def test_what_the_database_says_of_a_statement_passes_through(database_url):
    database = pool(database_url)
    with pytest.raises(asyncpg.UndefinedTableError):
        async with database.connection() as connection:
            await connection.fetch("SELECT * FROM nothing_here")
    await database.ping()
    await database.close()


async def test_a_transaction_that_fails_leaves_nothing(database_url):
    database = pool(database_url)
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE t (n int)")
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO t VALUES (1)")
            raise ZeroDivisionError
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM t") == 0
    await database.close()


@pytest.mark.parametrize(
    "how", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL], ids=["fast", "immediate", "kill"]
)
async def test_a_database_that_goes_away_is_unavailable_and_comes_back_by_itself(own_postgres, how):
    server = own_postgres()
    await server.start()
    database = pool(server.url, command_timeout_s=2)
    await database.ping()
    server.signal(how)
    await server.wait()
    with pytest.raises(Unavailable, match="postgres is unavailable"):
        await database.ping()
    await server.start()
    async with asyncio.timeout(20):
        while True:
            try:
                await database.ping()
                break
            except Unavailable:
                await asyncio.sleep(0.1)
    await database.close()


async def test_an_exhausted_pool_is_unavailable_in_time(database_url):
    database = pool(database_url, pool_max=1, command_timeout_s=0.3)
    async with database.connection():
        with pytest.raises(Unavailable):
            await database.ping()
    await database.ping()
    await database.close()


async def test_a_statement_over_its_time_is_unavailable(database_url):
    database = pool(database_url, command_timeout_s=0.3)
    with pytest.raises(Unavailable):
        async with database.connection() as connection:
            await connection.execute("SELECT pg_sleep(5)")
    await database.close()


@pytest.mark.parametrize(("session", "left"), [(Session.RESET, "on"), (Session.UNTOUCHED, "off")])
async def test_a_session_is_reset_unless_nothing_in_it_was_touched(database_url, session, left):
    settings = DatabaseSettings(url=SecretStr(database_url), pool_min=1, pool_max=1)
    database = Database(settings, application="test", session=session)
    async with database.connection() as connection:
        await connection.execute("SET enable_seqscan = off")
    async with database.connection() as connection:
        assert await connection.fetchval("SHOW enable_seqscan") == left
    await database.close()


async def test_a_transaction_left_open_ends_although_the_session_is_not_reset(database_url):
    settings = DatabaseSettings(url=SecretStr(database_url), pool_min=1, pool_max=1)
    database = Database(settings, application="test", session=Session.UNTOUCHED)
    with pytest.raises(Unavailable):
        async with database.transaction() as connection:
            await connection.execute("CREATE TABLE left_open (n int)")
            await connection.execute("SELECT pg_sleep(60)", timeout=0.2)
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT to_regclass('left_open')") is None
    await database.close()


async def test_a_connection_whose_state_a_kill_led_astray_is_the_database_away_and_is_not_used_again(
    database_url,
):
    database = pool(database_url, pool_min=1, pool_max=1)
    try:
        with pytest.raises(Unavailable, match="InternalClientError"):
            async with database.connection() as connection:
                before = connection.get_server_pid()
                raise asyncpg.InternalClientError(
                    "cannot switch to state 11; another operation (2) is in progress"
                )
        async with database.connection() as connection:
            assert connection.get_server_pid() != before
        with pytest.raises(asyncpg.InternalClientError):
            async with database.connection():
                raise asyncpg.InternalClientError("something else that asyncpg did not expect")
    finally:
        await database.close()


async def test_whoever_a_deadlock_ended_may_try_again_at_once(database_url):
    async with pool(database_url) as database:
        async with database.connection() as connection:
            await connection.execute(
                "CREATE TABLE thing (id int PRIMARY KEY, at int); INSERT INTO thing VALUES (1), (2)"
            )
        both = asyncio.Barrier(2)

        async def lock(first, second):
            async with database.transaction() as connection:
                await connection.execute("UPDATE thing SET at = $1 WHERE id = $1", first)
                await both.wait()
                await connection.execute("UPDATE thing SET at = $1 WHERE id = $2", first, second)

        outcomes = await asyncio.gather(lock(1, 2), lock(2, 1), return_exceptions=True)
        (ended,) = [outcome for outcome in outcomes if outcome is not None]
        assert isinstance(ended, Unavailable)
        assert "DeadlockDetectedError" in str(ended)
        async with database.connection() as connection:
            assert len({row["at"] for row in await connection.fetch("SELECT at FROM thing")}) == 1
