"""Conversations and the answer cache in PostgreSQL: once per event, summarised by one, forgotten whole."""

import asyncio

import pytest
from support.turns import new_turn

from llm_worker.asking.estimate import most_tokens
from llm_worker.conversation.postgres import Conversations
from llm_worker.conversation.summaries import Summaries
from llm_worker.conversation.turn import MemoryPolicy, Past
from posta.errors import Transient
from posta.tasks import end
from posta.telemetry import names

pytestmark = pytest.mark.integration
THREAD = "discord:1:2"
POLICY = MemoryPolicy(turns_limit=2, summary_threshold=50, cleanup_threshold=80, cleanup_interval_s=3600)


@pytest.fixture
def conversations(database):
    return Conversations(database)


async def _say(conversations, number, *, thread=THREAD, person="discord:2", tokens=30):
    return await conversations.add(new_turn(thread, number, person=person, tokens=tokens))


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
    assert (await conversations.past(THREAD, turns=3)).summary == "short"


async def test_a_crashed_summary_is_made_by_the_next_clean_up_and_two_never_clean_up_at_once(
    conversations, database
):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(name, prompt):
        begun.set()
        await go_on.wait()
        return "short"

    for number in range(1, 6):
        await _say(conversations, number)
    # A worker that died in the middle of it left its claim.
    assert await conversations.claim(THREAD, keep=2, lease_s=0.05) is not None
    await asyncio.sleep(0.1)
    first = asyncio.create_task(_summaries(conversations, database, slow).clean_up())
    async with asyncio.timeout(20):
        await begun.wait()
    second = _summaries(conversations, database, slow)
    assert await second.clean_up() == 0
    assert names.HIGH_TOKEN_THREADS._value.get() == 1
    before = names.TOKEN_CLEANUPS._value.get()
    go_on.set()
    assert await first == 1
    assert names.TOKEN_CLEANUPS._value.get() == before + 1
    assert names.HIGH_TOKEN_THREADS._value.get() == 0


async def test_a_conversation_that_cannot_be_summarised_keeps_no_other_from_it(conversations, database):
    async def picky(name, prompt):
        if THREAD in name:
            raise Transient("the model would not summarise this")
        return "short"

    for number in range(1, 6):
        await _say(conversations, number, tokens=60)
        await _say(conversations, number, thread="other")
    assert await _summaries(conversations, database, picky).clean_up() == 1
    assert (await conversations.past("other", turns=1)).summary == "short"
    assert names.HIGH_TOKEN_THREADS._value.get() == 1


async def test_a_summary_that_another_overtook_is_counted(conversations, database):
    async def overtaken(name, prompt):
        async with database.connection() as connection:
            await connection.execute("UPDATE conversation SET claimed_until = now() - interval '1 second'")
        assert await conversations.claim(THREAD, keep=2, lease_s=60) is not None
        return "late"

    for number in (1, 2, 3):
        await _say(conversations, number)
    before = names.RACE_ERRORS._value.get()
    assert not await _summaries(conversations, database, overtaken).one(THREAD)
    assert names.RACE_ERRORS._value.get() == before + 1
