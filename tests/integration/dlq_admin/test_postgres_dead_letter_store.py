import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.dead_letter_store_contract import MANY, REPLAY, StoreContract, add
from support.dead_letters import HEADERS, record

from dlq_admin.dead_letter import Bytes, Filter, RequestKey
from dlq_admin.postgres_store import PostgresStore
from dlq_admin.reading import read_record
from dlq_admin.store import Chosen
from posta.postgres.migrations import migrate
from posta.postgres.pool import Database
from posta.settings import DatabaseSettings

pytestmark = pytest.mark.integration

NAMES = st.sampled_from([*HEADERS, "posta-redrive", "x"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=20
)
NUMBERS = st.integers().map(lambda number: str(number).encode())
VALUES = st.binary(max_size=50) | NUMBERS | st.sampled_from([b"\x00", b"9" * 4000, "é".encode() * 4000])
RECORDS = st.builds(
    record,
    offset=st.just(0),
    timestamp_ms=st.integers(-1, 2**63 - 1),
    key=st.none() | st.binary(max_size=50),
    value=st.none() | st.binary(max_size=200),
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=12).map(tuple),
)


@pytest.fixture
async def database(database_url):
    await migrate(database_url)
    database = Database(DatabaseSettings(url=database_url), application="test")
    yield database
    await database.close()


@pytest.fixture
def store(database):
    return PostgresStore(database)


class TestPostgresStore(StoreContract):
    pass


def test_any_bytes_whatever_are_indexed_and_come_back(database_url):
    async def check(records):
        database = Database(DatabaseSettings(url=database_url), application="test")
        store = PostgresStore(database)
        try:
            for number, one in enumerate(records):
                placed = record(
                    number,
                    partition=len(records),
                    timestamp_ms=one.timestamp_ms,
                    key=one.key,
                    value=one.value,
                    headers=one.headers,
                )
                kept = Bytes(key=one.key, value=one.value, headers=one.headers)
                await store.add(read_record(placed), kept)
                [newest] = await store.find(Filter(), before=None, limit=1)
                found = await store.get(newest.id)
                assert found.record == kept
                assert found.summary.reading == read_record(placed)
        finally:
            async with database.connection() as connection:
                await connection.execute("TRUNCATE dead_letter CASCADE")
            await database.close()

    asyncio.run(migrate(database_url))

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(RECORDS, min_size=1, max_size=12))
    def run(records):
        asyncio.run(check(records))

    run()


async def test_of_many_concurrent_replays_one_claims(store):
    [number] = await add(store, record())
    decided = await asyncio.gather(
        *(store.claim(Chosen(ids=(number,)), REPLAY, lease_s=60) for _ in range(8))
    )
    assert sorted(len(one.ids) for one in decided) == [0] * 7 + [1]


async def test_of_many_concurrent_requests_with_one_key_one_acts_and_all_say_the_same(store):
    ids = await add(store, *(record(offset) for offset in range(5)))
    asked = RequestKey(actor="ada", key="k", request_sha256="1")
    decided = await asyncio.gather(*(store.claim(MANY, REPLAY, lease_s=60, request=asked) for _ in range(6)))
    assert {one.ids for one in decided} == {tuple(ids)}
    assert sorted(one.repeated for one in decided) == [False] + [True] * 5


async def test_many_publishers_share_the_work_without_doubles(store):
    ids = await add(store, *(record(offset) for offset in range(30)))
    await store.claim(MANY, REPLAY, lease_s=0)
    taken = []

    async def publisher():
        while leased := await store.lease(ids=None, limit=2, lease_s=60):
            taken.extend(one.id for one in leased)

    await asyncio.gather(*(publisher() for _ in range(4)))
    assert sorted(taken) == sorted(ids)
