"""Conversations and the answer cache in PostgreSQL: once per event, summarised by one, forgotten whole."""

import asyncio

import pytest

from llm_worker.asking.estimate import most_tokens
from llm_worker.cache.postgres import AnswerCache, Elsewhere, Hit, Mine
from llm_worker.conversation.postgres import Conversations
from llm_worker.conversation.summaries import Summaries
from llm_worker.conversation.turn import MemoryPolicy, Past
from posta.errors import Transient
from posta.postgres.migrations import migrate
from posta.postgres.pool import Database
from posta.settings import DatabaseSettings
from posta.tasks import end

pytestmark = pytest.mark.integration
THREAD = "discord:1:2"
POLICY = MemoryPolicy(turns_limit=2, summary_threshold=50, cleanup_threshold=80, cleanup_interval_s=3600)


@pytest.fixture
async def database(database_url):
    await migrate(database_url)
    database = Database(DatabaseSettings(url=database_url), application="conversation-test")
    yield database
    await database.close()


@pytest.fixture
def conversations(database):
    return Conversations(database)


async def _say(conversations, number, *, thread=THREAD, person="discord:2", tokens=30):
    return await conversations.add(
        thread, person=person, language="en", event_id=f"{thread}/{number}", question=f"q{number}",
        answer=f"a{number}", tokens=tokens,
    )  # fmt: skip


def _summaries(conversations, database, model):
    return Summaries(conversations, database, model, most_tokens, POLICY)


async def test_the_last_turns_are_shown_in_order_and_a_redelivery_adds_none(conversations):
    assert await conversations.past(THREAD, turns=3) == Past()
    for number in (1, 2, 3, 3):
        total = await _say(conversations, number)
    assert total == 90
    past = await conversations.past(THREAD, turns=2)
    assert [(turn.number, turn.question, turn.answer) for turn in past.turns] == [
        (2, "q2", "a2"),
        (3, "q3", "a3"),
    ]


async def test_a_summary_replaces_the_old_turns_and_keeps_the_last_ones(conversations, database):
    async def model(name, prompt):
        assert name.startswith(f"summary:{THREAD}:")
        assert "q1" in prompt.user
        assert "q3" not in prompt.user
        return "They asked twice."

    for number in (1, 2, 3, 4):
        await _say(conversations, number)
    assert await _summaries(conversations, database, model).one(THREAD)
    past = await conversations.past(THREAD, turns=3)
    assert past.summary == "They asked twice."
    assert [turn.question for turn in past.turns] == ["q3", "q4"]
    assert await _say(conversations, 5) == 90
    assert not await _summaries(conversations, database, model).one("unknown")


async def test_one_worker_summarises_at_a_time_and_a_late_one_changes_nothing(conversations, database):
    for number in (1, 2, 3):
        await _say(conversations, number)
    slow = await conversations.claim(THREAD, keep=2, lease_s=60)
    assert slow is not None
    assert await conversations.claim(THREAD, keep=2, lease_s=60) is None
    async with database.connection() as connection:
        await connection.execute("UPDATE conversation SET claimed_until = now() - interval '1 second'")
    quick = await conversations.claim(THREAD, keep=2, lease_s=60)
    assert quick is not None
    assert not await conversations.summarised(slow, "from the slow one", tokens=4)
    assert await conversations.summarised(quick, "from the quick one", tokens=4)
    assert (await conversations.past(THREAD, turns=3)).summary == "from the quick one"


async def test_a_model_that_fails_leaves_the_turns_and_the_claim_to_the_next(conversations, database):
    async def broken(name, prompt):
        raise Transient("no model today")

    for number in (1, 2, 3):
        await _say(conversations, number)
    with pytest.raises(Transient):
        await _summaries(conversations, database, broken).one(THREAD)
    assert len((await conversations.past(THREAD, turns=9)).turns) == 3
    assert await conversations.claim(THREAD, keep=2, lease_s=60) is not None


async def test_the_clean_up_summarises_what_is_long_and_deletes_what_is_old(conversations, database):
    async def model(name, prompt):
        return "short"

    for number in range(1, 6):
        await _say(conversations, number)
        await _say(conversations, number, thread="old")
    await _say(conversations, 1, thread="brief")
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE conversation SET updated_at = now() - interval '91 days' WHERE id = 'old'"
        )
    assert await _summaries(conversations, database, model).clean_up() == 1
    assert (await conversations.past(THREAD, turns=9)).summary == "short"
    assert (await conversations.past("brief", turns=9)).summary == ""
    assert await conversations.past("old", turns=9) == Past()


async def test_a_wanted_summary_is_made_in_the_background(conversations, database):
    made = asyncio.Event()

    async def model(name, prompt):
        made.set()
        return "short"

    for number in (1, 2, 3):
        await _say(conversations, number, tokens=20)
    summaries = _summaries(conversations, database, model)
    running = asyncio.create_task(summaries.run())
    summaries.want(THREAD)
    async with asyncio.timeout(30):
        await made.wait()
        while not (await conversations.past(THREAD, turns=3)).summary:  # noqa: ASYNC110 - a row has no event
            await asyncio.sleep(0.02)
    await end(running)


async def test_a_person_is_forgotten_whole_and_others_are_not(conversations, database):
    await _say(conversations, 1)
    await _say(conversations, 1, thread="discord:9:2")
    await _say(conversations, 1, thread="discord:1:3", person="discord:3")
    async with database.connection() as connection:
        for thread in (THREAD, "discord:1:3"):
            await connection.execute(
                "INSERT INTO answer (event_id, state, owner, lease_until)"
                " VALUES ($1, 'answered', 'o', now())",
                f"{thread}/1",
            )
    assert await conversations.erase("discord:2") == 2
    assert await conversations.past(THREAD, turns=3) == Past()
    assert len((await conversations.past("discord:1:3", turns=3)).turns) == 1
    async with database.connection() as connection:
        assert [row["event_id"] for row in await connection.fetch("SELECT event_id FROM answer")] == [
            "discord:1:3/1"
        ]


async def test_a_repeated_question_is_asked_once_and_answered_from_the_first(database):
    cache = AnswerCache(database, ttl_s=60, asking_s=60)
    assert await cache.look("k", scope="s", event_id="e1") == Mine()
    waiting = await cache.look("k", scope="s", event_id="e2")
    assert isinstance(waiting, Elsewhere)
    assert 0 < waiting.left_s <= 60
    assert await cache.look("k", scope="s", event_id="e1") == Mine()  # redelivered
    await cache.keep("k", event_id="e1", text="It is cotton.", model="m")
    assert await cache.look("k", scope="s", event_id="e2") == Hit(
        text="It is cotton.", model="m", event_id="e1"
    )


async def test_an_asker_that_died_is_replaced_and_its_late_answer_is_not_kept(database):
    cache = AnswerCache(database, ttl_s=60, asking_s=0.05)
    assert await cache.look("k", scope="s", event_id="e1") == Mine()
    await asyncio.sleep(0.1)
    later = AnswerCache(database, ttl_s=60, asking_s=60)
    assert await later.look("k", scope="s", event_id="e2") == Mine()
    await cache.keep("k", event_id="e1", text="late", model="m")
    assert isinstance(await later.look("k", scope="s", event_id="e3"), Elsewhere)


async def test_an_answer_expires_and_can_be_cleared(database):
    cache = AnswerCache(database, ttl_s=0.05, asking_s=60)
    await cache.look("k", scope="s", event_id="e1")
    await cache.keep("k", event_id="e1", text="t", model="m")
    await asyncio.sleep(0.1)
    assert await cache.look("k", scope="s", event_id="e2") == Mine()
    assert await cache.clear(scope="other") == 0
    assert await cache.clear(scope="s") == 1
    await AnswerCache(database, ttl_s=60, asking_s=0).look("gone", scope="s", event_id="e")
    await asyncio.sleep(0.01)
    assert await cache.prune() == 1
