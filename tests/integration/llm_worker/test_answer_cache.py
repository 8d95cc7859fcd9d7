"""The answer cache on real PostgreSQL: one asks, others wait; shared as an answer is stored."""

import asyncio

import pytest
from support.sharing import answer
from support.turns import new_turn

from llm_worker.cache.postgres import AnswerCache, Elsewhere, Hit, Mine, Shared
from llm_worker.catalogue.postgres import Catalogue
from llm_worker.catalogue.product import Product
from llm_worker.conversation.postgres import Conversations

pytestmark = pytest.mark.integration


@pytest.fixture
def cache(database):
    return AnswerCache(database, ttl_s=60, asking_s=60)


async def _look(cache, event_id, *, scope="s", conversation="new"):
    return await cache.look("k", scope=scope, event_id=event_id, conversation=conversation)


async def test_a_repeated_question_is_asked_once_and_answered_from_the_first(cache, database):
    assert await _look(cache, "e1") == Mine()
    waiting = await _look(cache, "e2")
    assert isinstance(waiting, Elsewhere)
    assert 0 < waiting.left_s <= 60
    assert await _look(cache, "e1") == Mine()  # redelivered
    await answer(database, "e1")
    assert await _look(cache, "e2") == Hit(text="It is cotton.", model="m", event_id="e1")


async def test_of_many_who_look_at_once_one_asks(cache):
    found = await asyncio.gather(*(_look(cache, f"e{number}") for number in range(30)))
    assert found.count(Mine()) == 1
    assert sum(isinstance(one, Elsewhere) for one in found) == 29


async def test_an_asker_that_died_is_replaced_and_its_late_answer_is_not_shared(cache, database):
    hurried = AnswerCache(database, ttl_s=60, asking_s=0.05)
    assert await _look(hurried, "e1") == Mine()
    await asyncio.sleep(0.1)
    assert await _look(cache, "e2") == Mine()
    await answer(database, "e1", "late")
    assert isinstance(await _look(cache, "e3"), Elsewhere)


async def test_an_answer_expires_and_can_be_cleared(cache, database):
    await _look(cache, "e1")
    await answer(database, "e1", shared_for_s=0.05)
    await asyncio.sleep(0.1)
    assert await _look(cache, "e2") == Mine()
    assert await cache.clear(scope="other") == 0
    assert await cache.clear(scope="s") == 1


async def test_an_answer_that_is_nobody_elses_is_not_shared(cache, database):
    await _look(cache, "e1")
    await answer(database, "e1", shared_for_s=None)
    assert isinstance(await _look(cache, "e2"), Elsewhere)
    await cache.let_go("e1")
    assert await _look(cache, "e2") == Mine()


async def test_what_a_scope_shares_is_counted_with_its_hits(cache, database):
    await _look(cache, "e1", scope="guild:1")
    assert await cache.shared() == []
    await answer(database, "e1")
    for number in (2, 3):
        await _look(cache, f"e{number}", scope="guild:1")
    assert await cache.shared() == [Shared(scope="guild:1", answers=1, hits=2)]
    await cache.drop("e1")
    assert await cache.shared() == []


async def test_a_question_that_goes_on_with_a_conversation_is_not_looked_for(cache, database):
    await Conversations(database).add(new_turn("c", 1))
    assert await _look(cache, "e1", conversation="c") is None
    assert await _look(cache, "e2", conversation="d") == Mine(), "nothing was taken on by the first"


async def test_another_version_of_the_catalogue_is_asked_for_anew(cache, database):
    await _look(cache, "e1")
    await answer(database, "e1")
    assert isinstance(await _look(cache, "e2"), Hit)
    await Catalogue(database).load({"A": Product(sku="A", name="Hoodie")}, source="a.csv", replace=False)
    assert await _look(cache, "e3") == Mine()
