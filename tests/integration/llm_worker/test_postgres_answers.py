"""The store of claims and answers on real PostgreSQL."""

import asyncio

import pytest
from support.answers_contract import ANSWER, LEASE_S, AnswersContract, Stores

from llm_worker.answers.claims import Answered, Busy, Claim
from llm_worker.answers.postgres import PostgresAnswers
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


class TestPostgresAnswers(AnswersContract):
    @pytest.fixture
    def stores(self, database):
        return Stores(
            of=lambda owner: PostgresAnswers(database, owner=owner, lease_s=LEASE_S), sleep=asyncio.sleep
        )


async def test_of_many_who_claim_at_once_one_has_it(database):
    stores = [PostgresAnswers(database, owner=f"w{n}", lease_s=15) for n in range(30)]
    for event_id in ("e1", "e2", "e3"):
        found = await asyncio.gather(*(store.claim(event_id) for store in stores))
        assert sum(isinstance(one, Claim) for one in found) == 1
        assert sum(isinstance(one, Busy) for one in found) == 29


async def test_of_many_who_take_over_at_once_one_has_it(database):
    dead = PostgresAnswers(database, owner="dead", lease_s=0.05)
    await dead.claim("e")
    await asyncio.sleep(0.1)
    stores = [PostgresAnswers(database, owner=f"w{n}", lease_s=15) for n in range(30)]
    found = await asyncio.gather(*(store.claim("e") for store in stores))
    claims = [one for one in found if isinstance(one, Claim)]
    assert [claim.calls for claim in claims] == [2]
    heir = stores[found.index(claims[0])]
    assert await heir.store(claims[0], ANSWER)
    assert await stores[0].claim("e") == Answered(answer=ANSWER)


async def test_a_database_that_is_away_says_so():
    database = Database(
        DatabaseSettings(url="postgresql://posta@127.0.0.1:1/none", command_timeout_s=1), application="test"
    )
    with pytest.raises(Unavailable):
        await PostgresAnswers(database, owner="a", lease_s=15).claim("e")
