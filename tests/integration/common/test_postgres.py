"""The database adapter and the migrations on a real PostgreSQL."""

import asyncio
import signal

import asyncpg
import pytest
from pydantic import SecretStr

from posta.errors import ConfigurationError, Unavailable
from posta.postgres.lending import Lending
from posta.postgres.migrations import declared, migrate, status
from posta.postgres.pool import Database, Session
from posta.settings import DatabaseSettings

pytestmark = pytest.mark.integration


def pool(url, *, session=Session.RESET, **changes):
    return Database(DatabaseSettings(url=SecretStr(url), **changes), application="test", session=session)


both_sessions = pytest.mark.parametrize("session", list(Session))


async def pid_of(database):
    async with database.connection() as connection:
        return connection.get_server_pid()


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


@both_sessions
async def test_a_transaction_that_fails_leaves_nothing(database_url, session):
    database = pool(database_url, session=session)
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE t (n int)")
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO t VALUES (1)")
            raise ZeroDivisionError
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM t") == 0
    await database.close()


@both_sessions
@pytest.mark.parametrize(
    "how", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL], ids=["fast", "immediate", "kill"]
)
async def test_a_database_that_goes_away_is_unavailable_and_comes_back_by_itself(own_postgres, how, session):
    server = own_postgres()
    await server.start()
    database = pool(server.url, command_timeout_s=2, session=session)
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


@both_sessions
async def test_an_exhausted_pool_is_unavailable_in_time(database_url, session):
    database = pool(database_url, session=session, pool_max=1, command_timeout_s=0.3)
    async with database.connection():
        with pytest.raises(Unavailable):
            await database.ping()
    await database.ping()
    await database.close()


@both_sessions
async def test_a_statement_over_its_time_is_unavailable(database_url, session):
    database = pool(database_url, session=session, pool_max=1, command_timeout_s=0.3)
    with pytest.raises(Unavailable):
        async with database.connection() as connection:
            await connection.execute("SELECT pg_sleep(5)")
    await database.ping()
    await database.close()


async def test_a_connection_at_hand_is_lent_again_and_one_whose_lending_failed_goes_through_the_pool(
    database_url,
):
    async with pool(database_url, session=Session.UNTOUCHED, pool_max=2) as database:
        first = await pid_of(database)
        assert {await pid_of(database) for _ in range(20)} == {first}
        async with database.connection() as connection:
            await connection.execute("BEGIN")
            await connection.execute("CREATE TABLE half_done (n int)")
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT to_regclass('half_done')") is None


async def test_who_waits_for_a_connection_is_given_the_next_one_that_comes_back(database_url):
    async with pool(database_url, session=Session.UNTOUCHED, pool_max=2) as database:
        most, now = 0, 0

        async def use(times):
            nonlocal most, now
            for _ in range(times):
                async with database.connection() as connection:
                    now += 1
                    most = max(most, now)
                    await connection.fetchval("SELECT pg_sleep(0.001)")
                    now -= 1

        async with asyncio.timeout(20):
            await asyncio.gather(*(use(25) for _ in range(20)))
        assert most == 2


async def test_a_connection_that_was_idle_too_long_at_hand_is_not_lent_again(database_url):
    opened = await asyncpg.create_pool(database_url, min_size=1, max_size=2)
    lending = Lending(opened, keeps=True, idle_s=0.2)

    async def lent():
        connection = await lending.lend(timeout_s=5)
        pid = connection.get_server_pid()
        await lending.take_back(connection, is_sound=True)
        return pid

    first = await lent()
    assert await lent() == first
    await asyncio.sleep(0.3)
    assert await lent() != first
    await lending.close()


async def test_a_connection_that_was_cut_at_hand_is_not_lent_again(database_url):
    async with pool(database_url, session=Session.UNTOUCHED) as database:
        first = await pid_of(database)
        other = await asyncpg.connect(database_url)
        await other.execute("SELECT pg_terminate_backend($1)", first)

        async def is_there(pid):
            return await other.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid)

        async with asyncio.timeout(5):
            while await is_there(first):  # noqa: ASYNC110 - the server's own time
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # until what it said has come
        assert await pid_of(database) != first
        await other.close()


async def test_whose_caller_is_cancelled_in_a_statement_is_lent_again_only_when_that_has_ended(database_url):
    async with pool(database_url, session=Session.UNTOUCHED, pool_max=1) as database:

        async def sleep_long():
            async with database.connection() as connection:
                await connection.execute("SELECT pg_sleep(30)")

        sleeping = asyncio.create_task(sleep_long())
        await asyncio.sleep(0.2)
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        async with asyncio.timeout(5):
            await database.ping()


async def test_connections_at_hand_do_not_hold_up_the_end(database_url):
    other = await asyncpg.connect(database_url)

    async def opened():
        return await other.fetchval("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'test'")

    database = pool(database_url, session=Session.UNTOUCHED)
    await asyncio.gather(*(database.ping() for _ in range(8)))
    assert await opened() > 1
    async with asyncio.timeout(1):
        await database.close()
    async with asyncio.timeout(5):
        while await opened():  # noqa: ASYNC110 - the server's own time
            await asyncio.sleep(0.01)
    assert await pid_of(database), "it opens anew when it is wanted again"
    await database.close()
    await other.close()


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
