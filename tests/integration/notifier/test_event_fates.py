"""What publishers are told of events that are shown by another message, or in several places."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from support.deliveries import published

from notifier.ledger.ledger import Delivery, PostgresLedger
from notifier.ledger.standing import Part, PostgresStanding
from notifier.notice import disabled_notice
from notifier.routing.digests import Digests
from notifier.routing.fan_out import copy_for
from notifier.routing.rules import Digest
from posta.domain.envelope import decode
from posta.domain.event_state import event_state
from posta.postgres.migrations import migrate
from posta.postgres.pool import Database
from posta.postgres.published_events import Cancelled, PublishedEvents, noted_of
from posta.settings import DatabaseSettings

pytestmark = pytest.mark.integration
RULE = Digest(destinations=("ops", "dba"), rule="quiet", every_s=60)
WINDOW_S = 60.0


class FakeProducer:
    """Keeps what would reach Kafka."""

    def __init__(self):
        self.published = []

    async def publish(self, topic, wires, *, timeout_s):
        self.published += [decode(key=w.key, value=w.value, headers=w.headers) for w in wires]


class Notifier:
    """What notifier does with events, on real tables, without Discord."""

    def __init__(self, database):
        self.now = 1000.0
        self.database = database
        self.events, self.ledger = PublishedEvents(database), PostgresLedger(database)
        self.standing, self.producer = PostgresStanding(database), FakeProducer()
        self.digests = Digests(database, self.producer, clock=lambda: self.now)

    async def digest(self, event):
        await self.events.claim(event)
        await self.digests.add(event, RULE)
        await self.events.settle(event.id, copies=0)

    async def make_up(self):
        """Publish what is due; return the digests."""
        self.now += RULE.every_s + 1
        await self.digests.publish_due()
        made, self.producer.published = self.producer.published, []
        return made

    async def deliver(self, event, message_id="7"):
        await self.events.claim(event)
        await self.ledger.begin(Delivery(event_id=event.id, medium="webhook", body_sha256="00"))
        await self.ledger.sent(event.id, message_id=message_id)
        await self.events.settle(event.id, copies=0)

    async def join(self, event):
        joined = await self.standing.join(event, window_s=WINDOW_S)
        if joined.part is not Part.SUPERSEDED:
            await self.deliver(event)
        else:
            await self.events.claim(event)
            await self.events.settle(event.id, copies=0)
        if joined.part is Part.FIRST:
            await self.standing.posted(event)
        return joined.part

    async def fan_out(self, event, *destinations):
        await self.events.claim(event)
        copies = [copy_for(event, one) for one in destinations]
        await self.events.settle(event.id, copies=len(copies))
        return copies

    async def dead(self, event_id, reason):
        async with self.database.connection() as connection:
            await connection.execute(
                "INSERT INTO dead_letter (consumer_group, dlq_topic, dlq_partition, dlq_offset,"
                " original_topic, original_partition, original_offset, event_id, error_class, reason,"
                " attempts, record_headers)"
                " VALUES ('notifier', 'd', 0, 0, 't', 0, 0, $1, 'permanent', $2, 3, '[]')",
                event_id,
                reason,
            )

    async def state(self, event):
        return event_state((await self.events.find(event.id)).traces, now=datetime.now(UTC)).value


@pytest.fixture
async def notifier(database_url):
    await migrate(database_url)
    database = Database(DatabaseSettings(url=SecretStr(database_url)), application="test")
    yield Notifier(database)
    await database.close()


# --- one message for several events ---------------------------------------------------------------


async def test_a_repeat_is_folded_into_the_message_of_the_first(notifier):
    first, repeat = published(1, dedupe_key="k"), published(2, dedupe_key="k")
    assert await notifier.join(first) is Part.FIRST
    assert await notifier.join(repeat) is Part.EDITS
    assert (await notifier.state(first), await notifier.state(repeat)) == ("SENT", "FOLDED")
    assert (await notifier.events.find(repeat.id)).shown_with == (first.id,)


async def test_a_repeat_that_made_the_message_anew_is_sent_not_folded(notifier):
    first, repeat = published(1, dedupe_key="k"), published(2, dedupe_key="k")
    await notifier.join(first)
    await notifier.standing.join(repeat, window_s=WINDOW_S)
    await notifier.standing.gone(repeat)
    assert await notifier.join(repeat) is Part.FIRST
    assert await notifier.state(repeat) == "SENT"
    assert (await notifier.events.find(repeat.id)).shown_with == ()


async def test_a_copy_that_is_superseded_leaves_the_event_sent_where_it_is_shown(notifier):
    event = published(1, thread_key="k")
    shown, late = await notifier.fan_out(event, "ops", "dba")
    newer = replace(copy_for(published(2, thread_key="k"), "dba"), time=datetime(2100, 1, 1, tzinfo=UTC))
    await notifier.join(newer)
    await notifier.join(shown)
    assert await notifier.state(event) == "SENDING"
    assert await notifier.join(late) is Part.SUPERSEDED
    assert await notifier.state(late) == "HANDLED"
    assert await notifier.state(event) == "SENT"


async def test_an_event_of_which_no_copy_is_shown_is_handled(notifier):
    event = published(1)
    one, two = await notifier.fan_out(event, "ops", "dba")
    await notifier.events.note([noted_of(one)])
    assert await notifier.events.cancel(one.id, by="ana") is Cancelled.DONE
    assert await notifier.state(event) == "SENDING"
    await notifier.events.claim(two)
    await notifier.events.settle(two.id, copies=0)
    assert await notifier.state(event) == "HANDLED"


async def test_a_copy_that_died_before_any_delivery_is_told_of_its_event(notifier):
    event = published(1)
    one, two = await notifier.fan_out(event, "ops", "nowhere")
    await notifier.deliver(one)
    await notifier.events.claim(two)
    await notifier.events.release(two.id)
    await notifier.dead(two.id, "destination 'nowhere' is not in destinations.yaml")
    found = await notifier.events.find(event.id)
    assert await notifier.state(event) == "DEAD"
    assert "nowhere" in found.reason


async def test_a_notice_to_the_owner_is_no_delivery_of_the_event(notifier):
    event = published(1)
    (copy,) = await notifier.fan_out(event, "ops")
    for cause in (event, copy):
        notice = disabled_notice(cause.id, "ops", owner="dba", why="gone", at=event.time)
        await notifier.deliver(notice)
    assert await notifier.state(event) == "SENDING"
    await notifier.deliver(copy)
    assert await notifier.state(event) == "SENT"


# --- digests -------------------------------------------------------------------------------------


async def test_an_event_says_that_it_waits_for_its_digest_and_then_which_one_showed_it(notifier):
    events = [published(n) for n in (1, 2, 3)]
    for event in events:
        await notifier.digest(event)
    waiting = await notifier.events.find("event:2")
    assert [await notifier.state(event) for event in events] == ["DIGESTED"] * 3
    assert (waiting.shown_with, waiting.digest_due_at.timestamp()) == ((), notifier.now + 60)
    made = await notifier.make_up()
    found = await notifier.events.find("event:2")
    assert sorted(found.shown_with) == sorted(digest.id for digest in made)
    for digest in made:
        await notifier.deliver(digest)
    assert [await notifier.state(event) for event in events] == ["DIGESTED"] * 3
    assert (await notifier.events.find("event:1")).attempts == 1


async def test_an_event_whose_digest_is_a_dead_letter_is_dead_with_its_reason(notifier):
    event = published(1)
    await notifier.digest(event)
    one, two = await notifier.make_up()
    await notifier.deliver(one)
    await notifier.events.claim(two)
    await notifier.dead(two.id, "the webhook is gone")
    assert await notifier.state(event) == "DEAD"
    assert (await notifier.events.find(event.id)).reason == "the webhook is gone"


async def test_a_cancelled_event_is_left_out_of_its_digest_even_if_it_comes_again(notifier):
    one, two = published(1), published(2)
    await notifier.digest(one)
    await notifier.digest(two)
    assert await notifier.events.cancel(one.id, by="ana") is Cancelled.DONE
    assert await notifier.events.cancel(one.id, by="ana") is Cancelled.DONE
    assert await notifier.state(one) == "CANCELLED"
    assert await notifier.events.claim(one) is False
    # A notifier that had claimed it before, and was frozen until now.
    await notifier.digests.add(one, RULE)
    made = await notifier.make_up()
    assert [digest.data.data["count"] for digest in made] == [1, 1]
    assert await notifier.events.cancel(two.id, by="ana") is Cancelled.TOO_LATE
    assert await notifier.state(two) == "DIGESTED"


async def test_a_digest_of_which_all_was_cancelled_is_not_made(notifier):
    await notifier.digest(published(1))
    await notifier.events.cancel("event:1", by="ana")
    assert await notifier.make_up() == []


async def test_of_a_cancellation_and_the_digest_at_once_exactly_one_wins(notifier):
    for number in range(100):
        event = published(number)
        await notifier.digest(event)
        made, ended = await asyncio.gather(notifier.make_up(), notifier.events.cancel(event.id, by="ana"))
        assert (ended is Cancelled.DONE) is (made == [])


async def test_published_digests_are_forgotten_and_waiting_ones_kept(notifier):
    await notifier.digest(published(1))
    await notifier.make_up()
    await notifier.digest(published(2))
    await notifier.digests.prune(older_than_s=-1e10)
    assert await notifier.state(published(1)) == "HANDLED"
    assert await notifier.state(published(2)) == "DIGESTED"
