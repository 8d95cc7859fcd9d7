"""What ingress shares through PostgreSQL: the windows of its limits, and the life of interactions."""

import asyncio
import time

import pytest

from ingress.limits.governor import Governor
from ingress.limits.memory import MemoryWindows
from ingress.limits.postgres import PostgresWindows
from ingress.limits.queue_age import QueueAge
from ingress.limits.window import Quota
from posta.domain.interaction_state import InteractionState, Note
from posta.errors import Unavailable
from posta.postgres.interactions import InteractionLog
from posta.postgres.migrations import migrate
from posta.postgres.pool import Database
from posta.settings import DatabaseSettings

pytestmark = pytest.mark.integration
PENDING, PROCESSING, RETRYING, COMPLETED, FAILED = InteractionState


@pytest.fixture
async def database(database_url):
    await migrate(database_url)
    database = Database(DatabaseSettings(url=database_url), application="test")
    yield database
    await database.close()


def quota(key="k", limit=3, window_s=60.0):
    return Quota(key=key, limit=limit, window_s=window_s, reason="too_often")


class Memory:
    """The windows of one process, in the form of the shared ones."""

    def __init__(self):
        self._windows = MemoryWindows()

    async def take(self, requests):
        return self._windows.take(requests, now=time.time())

    async def active(self):
        return self._windows.active(now=time.time())


@pytest.fixture(params=["memory", "postgres"])
def windows(request, database):
    return Memory() if request.param == "memory" else PostgresWindows(database)


async def test_a_window_lets_its_limit_through_and_no_more(windows):
    verdicts = await windows.take([(quota(),)] * 5)
    assert verdicts == [None] * 3 + [quota()] * 2
    assert await windows.take([(quota("other"),)]) == [None]
    assert await windows.active() == 2


async def test_a_refused_request_counts_nowhere(windows):
    full = quota("full", limit=1)
    assert await windows.take([(full,)]) == [None]
    assert await windows.take([(quota("a", limit=1), full)]) == [full]
    assert await windows.take([(quota("a", limit=1),)]) == [None]


async def test_a_window_slides(windows):
    short = quota(limit=1, window_s=0.5)
    assert await windows.take([(short,), (short,)]) == [None, short]
    async with asyncio.timeout(30):
        while (await windows.take([(short,)]))[0] is not None:  # noqa: ASYNC110 - it is time itself
            await asyncio.sleep(0.1)


async def test_many_instances_together_let_the_limit_through_and_never_lock_each_other(database):
    instances = [Governor(PostgresWindows(database), budget_s=30) for _ in range(4)]
    requests = [(quota(f"a{n % 3}", limit=7), quota(f"b{n % 5}", limit=1000)) for n in range(60)]
    found = await asyncio.gather(
        *(one.admit(tuple(reversed(r)) if n % 2 else r)
          for one in instances for n, r in enumerate(requests))
    )  # fmt: skip
    assert found.count(None) == 3 * 7


async def test_windows_that_are_over_are_forgotten(database):
    windows = PostgresWindows(database)
    await windows.take([(quota("old", window_s=0.001),), (quota("new"),)])
    await asyncio.sleep(0.01)
    await windows.clean()
    async with database.connection() as connection:
        assert [r["key"] for r in await connection.fetch("SELECT key FROM governor_window")] == ["new"]


def note(state, number=1, at=100.0, **fields):
    return Note(id=str(number), state=state, at=at, **fields)


async def written(database, *notes):
    """Write the notes one after the other, as several services would."""
    for one in notes:
        log = InteractionLog(database)
        async with log.recording():
            log.note(one)
    return await InteractionLog(database).find("1")


async def test_the_life_of_an_interaction_can_be_asked_for(database):
    row = await written(
        database,
        note(PENDING, at=100.0, accepted_at=100.0, command="ask", kind=2, trace_id="ab" * 16),
        note(PROCESSING, at=101.0, started_at=101.0, attempts=1),
        note(RETRYING, at=102.0, started_at=101.0, attempts=1, reason="Transient"),
        note(PROCESSING, at=103.0, started_at=103.0, attempts=2),
        note(COMPLETED, at=104.0, started_at=104.0, finished_at=104.5, attempts=1),
    )
    assert row is not None
    assert (row["state"], row["attempts"], row["command"], row["reason"]) == ("COMPLETED", 2, "ask", None)
    assert row["trace_id"] == "ab" * 16
    moments = [row[name].timestamp() for name in ("accepted_at", "started_at", "finished_at")]
    assert moments == [100.0, 101.0, 104.5]


@pytest.mark.parametrize(
    ("notes", "state"),
    [
        ([note(PROCESSING, at=101.0), note(PENDING, at=100.0)], "PROCESSING"),
        ([note(COMPLETED, at=101.0), note(PROCESSING, at=102.0)], "COMPLETED"),
        ([note(FAILED, at=101.0), note(PROCESSING, at=100.0)], "FAILED"),
        ([note(FAILED, at=101.0), note(PROCESSING, at=102.0)], "PROCESSING"),
        ([note(PENDING, at=101.0), note(PROCESSING, at=100.0)], "PROCESSING"),
    ],
)
async def test_notes_that_come_late_or_twice_do_not_take_a_state_back(database, notes, state):
    row = await written(database, *notes)
    assert row is not None
    assert row["state"] == state


async def test_what_was_noted_while_the_database_was_away_is_written_later(own_postgres):
    server = own_postgres()
    await server.start()
    url = server.url
    await migrate(url)
    database = Database(DatabaseSettings(url=url, command_timeout_s=1), application="test")
    log = InteractionLog(database)
    try:
        async with log.recording():
            await server.stop()
            log.note(note(PENDING))
            await asyncio.sleep(0.5)
            await server.start()
            async with asyncio.timeout(60):
                while True:
                    try:
                        if await log.find("1"):
                            break
                    except Unavailable:
                        pass
                    await asyncio.sleep(0.1)
    finally:
        await database.close()


async def test_old_interactions_are_forgotten(database):
    await written(
        database, note(COMPLETED, number=1, at=time.time() - 100), note(PENDING, number=2, at=time.time())
    )
    log = InteractionLog(database)
    await log.clean(older_than_s=50)
    assert await log.find("1") is None
    assert await log.find("2") is not None


async def test_the_queues_age_is_how_long_those_waited_that_were_taken_lately(database):
    now, log = time.time(), InteractionLog(database)
    async with log.recording():
        for number in range(5):
            log.note(note(PROCESSING, number, now, accepted_at=now - 200, started_at=now - 1))
        log.note(note(PENDING, 99, now, accepted_at=now))
    age = QueueAge(log.queue_age_s)
    await age.look()
    assert 190 < age.seconds < 210


async def test_the_queues_age_is_that_of_what_waits_when_nothing_is_taken(database):
    now, log = time.time(), InteractionLog(database)
    async with log.recording():
        log.note(note(PENDING, 1, now, accepted_at=now - 400))
    age = QueueAge(log.queue_age_s, lambda: 3.0)
    await age.look()
    assert age.seconds == 3.0, "one note that was lost is no queue"
    async with log.recording():
        for number in range(2, 7):
            log.note(note(PENDING, number, now, accepted_at=now - 400))
    await age.look()
    assert 390 < age.seconds < 430


async def test_nobody_is_turned_away_for_a_queue_that_nobody_knows():
    async def away():
        raise Unavailable("postgres", "away")

    age = QueueAge(away)
    await age.look()
    assert age.seconds == 0
