"""A person is forgotten whole, others are not, and it is noted; what is old is deleted."""

import asyncio

import pytest
from support.answers_contract import ANSWER
from support.turns import new_turn

from llm_worker.answers.claims import Claim, Notes
from llm_worker.answers.postgres import PostgresAnswers
from llm_worker.cache.postgres import AnswerCache, Mine
from llm_worker.conversation.erasure import Erased, Erasure, person_hash
from llm_worker.conversation.postgres import Conversations
from llm_worker.conversation.retention import prune
from llm_worker.conversation.turn import Past

pytestmark = pytest.mark.integration
DAY_S = 86_400


@pytest.fixture
def conversations(database):
    return Conversations(database)


async def _say(conversations, thread, number, person):
    await conversations.add(new_turn(thread, number, person=person))


async def _answered(database, *events, shared=False):
    async with database.connection() as connection:
        for event in events:
            await connection.execute(
                "INSERT INTO answer (event_id, state, owner, lease_until, text)"
                " VALUES ($1, 'answered', 'o', now(), 'text')", event,
            )  # fmt: skip
    if shared:
        cache = AnswerCache(database, ttl_s=60, asking_s=60)
        for event in events:
            assert await cache.look(event, scope="s", event_id=event, conversation="new") == Mine()
        async with database.connection() as connection:
            await connection.execute("UPDATE cached_answer SET state = 'ready', text = 'shared'")


async def _fetch(database, statement):
    async with database.connection() as connection:
        return [tuple(row) for row in await connection.fetch(statement)]


async def test_a_person_is_forgotten_whole_and_others_are_not(conversations, database):
    await _say(conversations, "a", 1, "discord:2")
    await _say(conversations, "b", 1, "discord:2")
    await _say(conversations, "c", 1, "discord:3")
    await _answered(database, "a/1", "b/1", "c/1", shared=True)
    erased = await Erasure(database).erase("discord:2", by="ana")
    assert erased == Erased(conversations=2, turns=2, answers=2, shared=2)
    assert await conversations.past("a", turns=3) == Past()
    assert len((await conversations.past("c", turns=3)).turns) == 1
    assert await _fetch(database, "SELECT event_id FROM answer") == [("c/1",)]
    assert await _fetch(database, "SELECT event_id FROM cached_answer") == [("c/1",)]
    assert await _fetch(database, "SELECT id FROM conversation") == [("c",)]


async def test_it_is_noted_who_erased_how_much_but_not_whom(conversations, database):
    await _say(conversations, "a", 1, "email:ana@example.test")
    await Erasure(database).erase("email:ana@example.test", by="an operator")
    noted = await _fetch(database, "SELECT erased_by, person_hash, conversations, turns FROM erasure")
    assert noted == [("an operator", person_hash("email:ana@example.test"), 1, 1)]
    assert "ana@example" not in str(await _fetch(database, "SELECT * FROM erasure"))


async def test_a_dry_run_tells_what_would_go_and_changes_nothing(conversations, database):
    await _say(conversations, "a", 1, "discord:2")
    await _answered(database, "a/1")
    planned = await Erasure(database).plan("discord:2")
    assert planned == Erased(conversations=1, turns=1, answers=1, shared=0)
    assert len((await conversations.past("a", turns=3)).turns) == 1
    assert await _fetch(database, "SELECT count(*)::int FROM answer") == [(1,)]
    assert await _fetch(database, "SELECT count(*)::int FROM erasure") == [(0,)]
    assert await Erasure(database).plan("discord:99") == Erased(conversations=0, turns=0, answers=0, shared=0)


async def test_in_a_thread_of_several_the_others_turns_stay_and_the_summary_of_all_goes(
    conversations, database
):
    for number, person in enumerate(("email:a@x", "email:b@x", "email:a@x", "email:b@x"), start=1):
        await _say(conversations, "t", number, person)
    claim = await conversations.claim("t", keep=2, lease_s=60)
    assert await conversations.summarised(claim, "A told B a secret.", tokens=9)
    late = await conversations.claim("t", keep=1, lease_s=60)
    await Erasure(database).erase("email:a@x", by="x")
    past = await conversations.past("t", turns=9)
    assert (past.summary, [turn.question for turn in past.turns]) == ("", ["q2", "q4"])
    assert await _fetch(database, "SELECT person, open_tokens FROM conversation") == [("email:b@x", 60)]
    assert not await conversations.summarised(late, "A told B a secret, too.", tokens=9)


async def test_turns_that_an_older_version_wrote_are_erased_too(conversations, database):
    await _say(conversations, "a", 1, "discord:2")
    async with database.connection() as connection:
        await connection.execute("UPDATE conversation_turn SET person = NULL")
    assert (await Erasure(database).erase("discord:2", by="x")).turns == 1
    assert await _fetch(database, "SELECT id FROM conversation") == []


async def test_what_is_older_than_the_retention_is_deleted_with_the_answers_that_quote_it(
    conversations, database
):
    await _say(conversations, "old", 1, "discord:2")
    for number in (1, 2, 3):
        await _say(conversations, "living", number, "discord:3")
    claim = await conversations.claim("living", keep=1, lease_s=60)
    await conversations.summarised(claim, "They asked.", tokens=3)
    await _answered(database, "old/1", "living/3", shared=True)
    async with database.connection() as connection:
        for statement in (
            "UPDATE conversation SET updated_at = now() - interval '91 days' WHERE id = 'old'",
            "UPDATE conversation_turn SET at = now() - interval '91 days'",
            "UPDATE answer SET updated_at = now() - interval '91 days' WHERE event_id = 'old/1'",
            "UPDATE cached_answer SET expires_at = now() WHERE event_id = 'old/1'",
        ):
            await connection.execute(statement)
    deleted = await prune(database, older_than_s=90 * DAY_S)
    assert deleted == {"conversations": 1, "texts": 2, "answers": 1, "shared": 1}
    past = await conversations.past("living", turns=9)
    assert (past.summary, [turn.question for turn in past.turns]) == ("They asked.", ["q3"])
    assert set((await prune(database, older_than_s=90 * DAY_S)).values()) == {0}
    # Whose the deleted texts were is still known: the summary that tells of them goes.
    await Erasure(database).erase("discord:3", by="x")
    assert await conversations.past("living", turns=9) == Past()


async def test_what_their_questions_cost_stays_without_their_name_and_so_does_todays_budget(
    conversations, database
):
    await _say(conversations, "discord:c:2", 1, "discord:2")
    async with database.connection() as connection:
        for event, conversation, tenant in (
            ("discord:c:2/1", "discord:c:2", "guild:9"),
            ("pruned before", "discord:d:2", "person:2"),
            ("pruned in a guild", "discord:e:2", "guild:9"),
            ("erased before", "", "guild:9"),
            ("others", "discord:c:22", "person:22"),
        ):
            await connection.execute(
                "INSERT INTO llm_usage (id, event_id, conversation, tenant, day, outcome, cost)"
                " VALUES (gen_random_uuid(), $1, $2, $3, current_date, 'ok', 1)", event, conversation, tenant,
            )  # fmt: skip
        for tenant in ("person:2", "person:erased", "person:22"):
            await connection.execute(
                "INSERT INTO llm_usage_day (day, tenant, provider, model, outcome, is_used, currency, calls,"
                " tokens_in, tokens_cached, tokens_out, cost)"
                " VALUES (current_date - 40, $1, 'p', 'm', 'ok', true, 'USD', 1, 2, 3, 4, 5)", tenant,
            )  # fmt: skip
        await connection.execute(
            "INSERT INTO llm_tenant_day (day, tenant, cost)"
            " VALUES (current_date, 'person:2', 7), (current_date - 3, 'person:2', 8)"
        )
    assert (await Erasure(database).erase("discord:2", by="x")).usage == 3
    assert await _fetch(database, "SELECT conversation, tenant, cost FROM llm_usage ORDER BY tenant") == [
        *[("", "guild:9", 1)] * 3,
        ("discord:c:22", "person:22", 1),
        ("", "person:erased", 1),
    ]
    assert await _fetch(database, "SELECT tenant, calls, cost FROM llm_usage_day ORDER BY tenant") == [
        ("person:22", 1, 5),
        ("person:erased", 2, 10),
    ]
    assert await _fetch(database, "SELECT tenant, cost FROM llm_tenant_day") == [("person:2", 7)]


async def test_erasing_somebody_who_writes_by_mail_counts_nobody_elses_calls(conversations, database):
    await _say(conversations, "email:t:1", 1, "email:ana@example.test")
    async with database.connection() as connection:
        for event, conversation in (("email:t:1/1", "email:t:1"), ("erased before", ""), ("x", "email:t:2")):
            await connection.execute(
                "INSERT INTO llm_usage (id, event_id, conversation, tenant, day, outcome, cost)"
                " VALUES (gen_random_uuid(), $1, $2, 'mailbox:a', now(), 'ok', 1)", event, conversation,
            )  # fmt: skip
    assert (await Erasure(database).erase("email:ana@example.test", by="x")).usage == 1
    found = await _fetch(database, "SELECT conversation FROM llm_usage ORDER BY conversation")
    assert found == [("",), ("",), ("email:t:2",)]


async def test_erasing_a_person_whose_answers_are_being_stored_again_never_ends_in_a_deadlock(database):
    answers, erasure = PostgresAnswers(database, owner="w", lease_s=15), Erasure(database)
    turns = [new_turn("discord:1:2", number) for number in range(8)]

    async def answer(turn, replay):
        claim = await answers.claim(turn.event_id, scratch=f"replay {replay}")
        assert isinstance(claim, Claim)
        await answers.store(
            claim, ANSWER, notes=Notes(turn=turn, shared_for_s=60)
        )  # None when it was erased in between

    for replay in range(12):
        await asyncio.gather(
            *(answer(turn, replay) for turn in turns),
            *(erasure.erase("discord:2", by="a test") for _ in range(3)),
        )
