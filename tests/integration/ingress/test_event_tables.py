"""Published events, idempotency keys and the bots' mailbox on a real PostgreSQL."""

import asyncio
import secrets
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from support.deliveries import published
from support.published_events_contract import PublishedEventsContract

from ingress.events.idempotency import Answer, Refused, request_of
from ingress.events.idempotency_store import PostgresStore
from notifier.routing.fan_out import copy_for
from posta.domain.event_state import event_state
from posta.errors import Unavailable
from posta.postgres.migrations import migrate
from posta.postgres.pool import Database
from posta.postgres.published_events import Cancelled, PublishedEvents, noted_of
from posta.postgres.pull_mailbox import PullMailbox, Reach, Returned
from posta.settings import DatabaseSettings
from posta_sandbox.embedded.postgres import create_database, drop_database

pytestmark = pytest.mark.integration


def pool(url):
    return Database(DatabaseSettings(url=SecretStr(url)), application="test")


@pytest.fixture(scope="module")
def tables_url(postgres):
    """A database with its tables, for all tests here."""
    name = f"test_{secrets.token_hex(6)}"
    url = asyncio.run(create_database(postgres.url, name))
    asyncio.run(migrate(url))
    yield url
    asyncio.run(drop_database(postgres.url, name))


@pytest.fixture
async def database(tables_url):
    database = pool(tables_url)
    async with database.connection() as connection:
        await connection.execute(
            "TRUNCATE published_event, delivery, dead_letter, idempotency_key, pull_event CASCADE"
        )
    yield database
    await database.close()


@pytest.fixture
def events(database):
    return PublishedEvents(database)


@pytest.fixture
def mailbox(database):
    return PullMailbox(database)


async def run(database, statement, *values):
    async with database.connection() as connection:
        await connection.execute(statement, *values)


class TestPublishedEvents(PublishedEventsContract):
    pass


async def state_of(events, event_id="event:1"):
    return event_state((await events.find(event_id)).traces, now=datetime.now(UTC)).value


async def test_of_a_claim_and_a_cancellation_at_once_exactly_one_wins(events):
    for number in range(20):
        event = published(number)
        await events.note([noted_of(event)])
        claimed, ended = await asyncio.gather(events.claim(event), events.cancel(event.id, by="ana"))
        assert claimed is (ended is Cancelled.TOO_LATE)


async def test_the_ledger_and_the_dead_letters_say_what_became_of_it(events, database):
    event = published(1)
    await events.note([noted_of(event), noted_of(published(10))])
    assert await state_of(events) == "ACCEPTED"
    await events.claim(event)
    deliver = "INSERT INTO delivery (event_id, medium, state, attempts) VALUES ($1, 'webhook', $2, $3)"
    await run(database, deliver, "event:1", "sending", 1)
    await run(database, deliver, "event:10", "sent", 7)
    assert await state_of(events) == "SENDING"
    await run(database, "UPDATE delivery SET state = 'failed', attempts = 3 WHERE event_id = 'event:1'")
    await events.release("event:1")
    assert await state_of(events) == "RETRYING"
    await run(
        database,
        "INSERT INTO dead_letter (consumer_group, dlq_topic, dlq_partition, dlq_offset, original_topic,"
        " original_partition, original_offset, event_id, error_class, reason, attempts, record_headers)"
        " VALUES ('notifier', 'd', 0, 0, 't', 0, 0, 'event:1', 'permanent', 'the webhook is gone', 3, '[]')",
    )
    found = await events.find("event:1")
    assert (await state_of(events), found.reason, found.attempts) == ("DEAD", "the webhook is gone", 3)
    await run(database, "UPDATE dead_letter SET state = 'replayed'")
    await run(database, "UPDATE delivery SET state = 'sent' WHERE event_id = 'event:1'")
    assert await state_of(events) == "SENT"


async def test_an_event_that_fans_out_is_sent_when_all_of_its_deliveries_are(events, mailbox, database):
    await events.claim(published(1))
    await events.settle("event:1", copies=3)
    assert await state_of(events) == "SENDING"
    copies = [copy_for(published(1), to) for to in ("ops", "game", "bot")]
    for copy in copies:
        await events.claim(copy)
    deliver = "INSERT INTO delivery (event_id, medium, state) VALUES ($1, 'webhook', $2)"
    await run(database, deliver, "event:1/to-ops", "sent")
    await run(database, deliver, "event:1/to-game", "sending")
    assert await state_of(events) == "SENDING"
    await run(database, "UPDATE delivery SET state = 'sent'")
    assert await state_of(events) == "SENDING"
    await mailbox.put(copies[2])
    assert await state_of(events) == "WAITING"
    await mailbox.processed("event:1/to-bot", lease=None)
    assert await state_of(events) == "SENT"


async def test_old_events_are_pruned(events, database):
    await events.note([noted_of(published(1)), noted_of(published(2))])
    await run(
        database,
        "UPDATE published_event SET accepted_at = now() - interval '61 days' WHERE event_id = 'event:1'",
    )
    await events.prune(older_than_s=60 * 24 * 3600)
    assert await events.find("event:1") is None
    assert await events.find("event:2")


async def test_before_the_migrations_have_run_the_tables_count_as_away(database_url):
    database = pool(database_url)
    with pytest.raises(Unavailable, match="migrations"):
        await PublishedEvents(database).find("event:1")
    await database.close()


# --- Idempotency-Key -----------------------------------------------------------------------------


def request(body=b"{}", publisher="p"):
    return request_of(publisher=publisher, key="k", media_type="m", attributes="", body=body)


async def test_a_key_is_held_answered_and_forgotten_after_a_day(database):
    store = PostgresStore(database)
    first = request()
    assert await store.begin(first) is None
    assert await store.begin(request()) is Refused.IN_FLIGHT
    assert await store.begin(request(b"other")) is Refused.OTHER_BODY
    assert await store.begin(request(publisher="q")) is None
    await store.answered(first, Answer(status=202, text='{"id": 1}'))
    assert await store.begin(request()) == Answer(status=202, text='{"id": 1}')
    assert await store.begin(request(b"other")) is Refused.OTHER_BODY
    await run(database, "UPDATE idempotency_key SET created_at = now() - interval '25 hours'")
    assert await store.begin(request(b"other")) is None
    await run(database, "UPDATE idempotency_key SET created_at = now() - interval '25 hours'")
    await store.prune()
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM idempotency_key") == 0


async def test_a_key_whose_holder_died_is_taken_over_and_its_late_answer_ignored(database):
    store = PostgresStore(database)
    dead, second = request(), request()
    await store.begin(dead)
    await run(database, "UPDATE idempotency_key SET held_until = now() - interval '1 second'")
    assert await store.begin(request(b"other")) is Refused.OTHER_BODY
    assert await store.begin(second) is None
    await store.answered(dead, Answer(status=500, text="late"))
    await store.released(dead)
    assert await store.begin(request()) is Refused.IN_FLIGHT
    await store.released(second)
    assert await store.begin(request()) is None


async def test_of_many_requests_with_one_key_at_once_one_is_the_first(database):
    store = PostgresStore(database)
    begun = await asyncio.gather(*(store.begin(request()) for _ in range(12)))
    assert begun.count(None) == 1
    assert begun.count(Refused.IN_FLIGHT) == 11


# --- the mailbox ---------------------------------------------------------------------------------


async def lend(mailbox, **options):
    given = {"consumer": "bot", "limit": 10, "lease_s": 60, **options}
    return await mailbox.lend(**given)


async def test_events_are_lent_oldest_first_and_to_one_at_a_time(mailbox):
    for number in range(1, 5):
        await mailbox.put(published(number))
        await mailbox.put(published(number))
    first = await lend(mailbox, limit=3)
    assert [lent.event_id for lent in first] == ["event:1", "event:2", "event:3"]
    assert first[0].data == {"message": "Backup 1 failed.", "n": 1}
    assert [lent.event_id for lent in await lend(mailbox)] == ["event:4"]
    assert await lend(mailbox) == []


async def test_text_that_postgresql_has_not_does_not_stop_an_event(mailbox):
    await mailbox.put(published(1, data={"a\x00": ["b\x00c", {"d": "\\u0000"}], "n": 1.5}))
    (lent,) = await lend(mailbox)
    assert lent.data == {"a\ufffd": ["b\ufffdc", {"d": "\\u0000"}], "n": 1.5}


async def test_bots_that_ask_at_once_never_get_the_same_event(mailbox):
    for number in range(30):
        await mailbox.put(published(number))
    hands = await asyncio.gather(*(lend(mailbox, limit=7) for _ in range(6)))
    ids = [lent.event_id for hand in hands for lent in hand]
    assert len(ids) == len(set(ids)) >= 25


async def test_after_three_failures_an_event_is_given_up_until_it_is_retried(mailbox):
    await mailbox.put(published(1))
    for attempt in (1, 2, 3):
        (lent,) = await lend(mailbox)
        assert lent.attempts == attempt
        assert await mailbox.failed("event:1", lease=lent.lease, error="no channel") is Returned.DONE
    assert await lend(mailbox) == []
    assert (await mailbox.stats()).by_state["failed"] == 1
    assert await mailbox.retry("event:1")
    assert not await mailbox.retry("event:1")
    assert [lent.attempts for lent in await lend(mailbox)] == [1]


async def test_a_lease_that_ran_out_is_lent_again_and_its_old_holder_cannot_end_it(mailbox, database):
    await mailbox.put(published(1))
    (dead,) = await lend(mailbox)
    await run(database, "UPDATE pull_event SET leased_until = now() - interval '1 second'")
    (living,) = await lend(mailbox)
    assert await mailbox.processed("event:1", lease=dead.lease) is Returned.LOST
    assert await mailbox.processed("event:1", lease=living.lease) is Returned.DONE
    assert await mailbox.processed("event:1", lease=living.lease) is Returned.DONE
    assert await mailbox.failed("event:1", lease=living.lease, error="x") is Returned.LOST
    assert await mailbox.processed("event:2", lease=None) is Returned.UNKNOWN


async def test_an_event_whose_every_lease_ran_out_is_given_up(mailbox, database):
    await mailbox.put(published(1))
    for _ in range(3):
        assert len(await lend(mailbox)) == 1
        await run(database, "UPDATE pull_event SET leased_until = now() - interval '1 second'")
    assert await lend(mailbox) == []
    assert (await mailbox.stats()).by_state["failed"] == 1


async def test_only_what_is_within_reach_is_seen(mailbox):
    await mailbox.put(published(1, client_source="/db_1/a"))
    await mailbox.put(published(2, client_source="/dbx1/a"))
    await mailbox.put(published(3, client_source="/web", destination="game"))
    assert [e.event_id for e in await lend(mailbox, reach=Reach(sources=("/db_1/*",)))] == ["event:1"]
    assert [e.event_id for e in await lend(mailbox, reach=Reach(destinations=("game",)))] == ["event:3"]
    assert await mailbox.processed("event:3", lease=None, reach=Reach(sources=("/db*",))) is Returned.UNKNOWN
    assert [e.event_id for e in await lend(mailbox, sources=("/dbx1/a", "/web"))] == ["event:2"]


async def test_what_is_done_is_cleaned_up_after_its_days(mailbox, database):
    for number in (1, 2, 3):
        await mailbox.put(published(number))
    await mailbox.processed("event:1", lease=None)
    await mailbox.processed("event:2", lease=None)
    await run(
        database, "UPDATE pull_event SET updated_at = now() - interval '8 days' WHERE event_id <> 'event:2'"
    )
    assert await mailbox.cleanup(older_than_s=7 * 24 * 3600) == 1
    stats = await mailbox.stats()
    assert (stats.by_state["processed"], stats.by_state["pending"]) == (1, 1)
    assert stats.by_source == {"/backup/db1": 1}
    assert stats.oldest_waiting_s >= 0
