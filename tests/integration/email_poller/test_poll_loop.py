"""The loop with a mailbox and a Kafka that fail on command, on real PostgreSQL."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from support.mails import mail

from email_poller.decision import TakingPolicy
from email_poller.fakes import FakeMailbox
from email_poller.mailbox import DEPENDENCY, MessageRefused, Refused
from email_poller.mailbox_store import MailboxStore
from email_poller.outbox import Outbox
from email_poller.parse import parse
from email_poller.poller import Poller, PollPolicy
from email_poller.taking import Taker, TakingLimits
from posta.domain.backoff import Table
from posta.errors import Unavailable
from posta.kafka.producer import PublishFailed, TooLarge
from posta.postgres.migrations import migrate
from posta.postgres.pool import Database
from posta.settings import DatabaseSettings

pytestmark = pytest.mark.integration
QUICK = PollPolicy(interval_s=0.02, backoff=Table(delays_s=(0.02,)), refused_wait_s=0.05)


class Kafka:
    """Keeps what is published; raises ``failures`` one by one before."""

    def __init__(self):
        self.ids = []
        self.failures = []

    async def publish(self, topic, records, *, timeout_s):
        if self.failures:
            raise self.failures.pop(0)
        self.ids += [dict(record.headers)["ce_id"].decode() for record in records]

    @property
    def uids(self):
        return [int(event_id.rsplit(":", 1)[1]) for event_id in self.ids]


class World:
    """A poller over a fake mailbox, and what a test may do around it."""

    def __init__(self, database, url):
        self.box = FakeMailbox()
        self.kafka = Kafka()
        self.url = url
        store = MailboxStore(database, account="posta@example.test", mailbox="INBOX")
        self.poller = Poller(
            mailbox=self.box,
            store=store,
            taker=Taker(
                mailbox=self.box,
                store=store,
                limits=TakingLimits(max_bytes=10_000, rescan_days=7),
                policy=TakingPolicy(own_addresses=frozenset(), answers_per_sender_per_hour=1000),
                today=lambda: datetime.now(UTC).date(),
            ),
            outbox=Outbox(store, self.kafka, timeout_s=1),
            policy=QUICK,
            jitter=lambda: 0.5,
        )

    @asynccontextmanager
    async def running(self):
        stop = asyncio.Event()
        task = asyncio.create_task(self.poller.run(stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(task, 5)

    async def until(self, holds, within_s=5.0):
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline, "did not come true"
            await asyncio.sleep(0.01)

    async def polls(self):
        """Return after at least one whole poll from now."""
        for _ in range(2):
            self.poller.health.polled_at = None
            await self.until(lambda: self.poller.health.polled_at is not None)
        await asyncio.sleep(0.1)

    async def rows(self):
        connection = await asyncpg.connect(self.url)
        try:
            rows = await connection.fetch("SELECT uid, state, why FROM mail_taken ORDER BY uidvalidity, uid")
        finally:
            await connection.close()
        return [(row["uid"], row["state"], row["why"]) for row in rows]


@pytest.fixture
async def around(database_url):
    await migrate(database_url)
    database = Database(DatabaseSettings(url=database_url), application="test")
    yield World(database, database_url)
    await database.close()


async def test_taking_goes_on_while_kafka_is_away_and_everything_follows_in_order(around):
    around.kafka.failures = [PublishFailed("away") for _ in range(6)]
    for n in range(3):
        around.box.deliver(mail(n))
    async with around.running():
        await around.until(lambda: len(around.kafka.failures) < 4)
        around.box.deliver(mail(3))
        assert {state for _, state, _ in await around.rows()} == {"pending"}
        assert not any(message.seen for message in around.box.messages.values())
        await around.until(lambda: len(around.kafka.ids) == 4)
        await around.until(lambda: all(message.seen for message in around.box.messages.values()))
    assert around.kafka.uids == [1, 2, 3, 4]


async def test_a_refusal_shows_at_once_and_ends_by_itself(around):
    around.box.failures["select"] = [Refused("AUTHENTICATIONFAILED") for _ in range(3)]
    around.box.deliver(mail(1))
    async with around.running():
        await around.until(lambda: around.poller.health.fault is not None)
        assert "AUTHENTICATIONFAILED" in (await around.poller.ready_fault() or "")
        assert await around.poller.live_fault() is None
        await around.until(lambda: around.kafka.uids == [1])
        assert await around.poller.ready_fault() is None


@pytest.mark.parametrize("command", ["select", "search", "sizes", "fetch", "mark_seen"])
async def test_wherever_the_connection_breaks_nothing_is_lost_or_doubled(around, command):
    around.box.failures[command] = [Unavailable(DEPENDENCY, "cut") for _ in range(2)]
    for n in range(3):
        around.box.deliver(mail(n))
    async with around.running():
        await around.until(lambda: all(message.seen for message in around.box.messages.values()))
        await around.polls()
    assert around.kafka.uids == [1, 2, 3]


async def test_a_message_the_server_never_hands_over_does_not_stop_those_behind_it(around):
    around.box.failures["fetch"] = [MessageRefused("corrupt") for _ in range(5)]
    for n in range(2):
        around.box.deliver(mail(n))
    async with around.running():
        await around.until(lambda: around.kafka.uids == [2])
    assert await around.rows() == [(1, "ignored", "unreadable"), (2, "published", None)]


async def test_a_message_another_client_removes_meanwhile_is_passed_over(around):
    for n in range(3):
        around.box.deliver(mail(n))
    sizes = around.box.sizes

    async def removed_after_sizes(uids):
        found = await sizes(uids)
        around.box.messages.pop(2, None)
        return found

    around.box.sizes = removed_after_sizes
    async with around.running():
        await around.until(lambda: around.kafka.uids == [1, 3])


async def test_a_message_that_becomes_visible_late_is_still_taken(around):
    around.box.deliver(mail(1))
    async with around.running():
        await around.until(lambda: around.kafka.uids == [1])
        late, later = around.box.deliver(mail(2)), around.box.deliver(mail(3))
        hidden = around.box.messages.pop(late)
        await around.until(lambda: around.kafka.uids == [1, later])
        around.box.messages[late] = hidden
        await around.until(lambda: around.kafka.uids == [1, later, late])
        await around.polls()
    assert len(around.kafka.uids) == 3


async def test_what_was_read_before_first_contact_stays_untouched_for_ever(around):
    around.box.deliver(mail(1), seen=True)
    around.box.deliver(mail(2))
    async with around.running():
        await around.until(lambda: around.kafka.uids == [2])
        around.box.messages[1].seen = False  # somebody marks an old one as unread
        around.box.deliver(mail(3), seen=True)
        await around.until(lambda: around.kafka.uids == [2, 3])
        await around.polls()
    assert around.kafka.uids == [2, 3]


async def test_first_contact_that_is_interrupted_goes_on_where_it_was(around):
    for n in range(4):
        around.box.deliver(mail(n), seen=n == 1)
    fetch, calls = around.box.fetch, []

    async def third_fails(uid):
        calls.append(uid)
        if len(calls) == 2:
            raise Unavailable(DEPENDENCY, "cut")
        return await fetch(uid)

    around.box.fetch = third_fails
    async with around.running():
        await around.until(lambda: around.kafka.uids == [1, 3, 4])


async def test_a_renumbered_mailbox_is_read_back_a_few_days_only(around):
    around.box.deliver(mail(1))
    async with around.running():
        await around.until(lambda: around.kafka.uids == [1])
    old = datetime.now(UTC).date() - timedelta(days=30)
    around.box.deliver(mail(2), seen=True, received=old)
    around.box.deliver(mail(3), seen=True)
    around.box.renumber(2, first_uid=50)
    async with around.running():
        await around.until(lambda: around.kafka.uids == [1, 52])
        around.box.deliver(mail(1))
        await around.until(lambda: around.kafka.uids == [1, 52, 53])
    assert await around.rows() == [
        (1, "published", None),
        (50, "ignored", "duplicate"),
        (52, "published", None),
        (53, "published", None),
    ]


async def test_an_event_kafka_never_takes_does_not_stop_those_behind_it(around):
    around.kafka.failures = [TooLarge("too large")]
    for n in range(2):
        around.box.deliver(mail(n))
    async with around.running():
        await around.until(lambda: around.kafka.uids == [2])
    assert (await around.rows())[0] == (1, "ignored", "too_large_for_kafka")


async def test_where_flags_may_not_be_set_mails_are_answered_all_the_same(around):
    around.box.failures["mark_seen"] = [MessageRefused("READ-ONLY")]
    around.box.deliver(mail(1))
    async with around.running():
        await around.until(lambda: around.kafka.uids == [1])
        await around.polls()
        assert await around.poller.ready_fault() is None
    assert not around.box.messages[1].seen


async def test_a_mail_our_own_code_cannot_read_is_ignored_and_the_next_one_answered(around, monkeypatch):
    def broken(raw):
        if b"Question 0" in raw:
            raise ZeroDivisionError
        return parse(raw)

    monkeypatch.setattr("email_poller.taking.parse", broken)
    for n in range(2):
        around.box.deliver(mail(n))
    async with around.running():
        await around.until(lambda: around.kafka.uids == [2])
    assert (await around.rows())[0] == (1, "ignored", "unreadable")


async def test_silence_of_three_intervals_is_said(around):
    async with around.running():
        await around.until(lambda: around.poller.health.polled_at is not None)
        assert await around.poller.ready_fault() is None
    around.poller.clock = lambda: time.monotonic() + 10
    assert "no successful poll" in (await around.poller.ready_fault() or "")
    assert await around.poller.live_fault() is None
    around.poller.clock = lambda: time.monotonic() + 1000
    assert "has not moved" in (await around.poller.live_fault() or "")


async def test_postgres_away_takes_nothing_and_resumes_by_itself(own_postgres):
    server = own_postgres()
    await server.start()
    await migrate(server.url)
    database = Database(DatabaseSettings(url=server.url, command_timeout_s=1), application="test")
    world = World(database, server.url)
    try:
        async with world.running():
            world.box.deliver(mail(1))
            await world.until(lambda: world.kafka.uids == [1])
            await server.stop()
            world.box.deliver(mail(2))
            await asyncio.sleep(0.3)
            assert world.kafka.uids == [1]
            await server.start()
            # Published but not yet marked so when the database went: the first goes out again, with its id.
            await world.until(lambda: world.kafka.uids in ([1, 2], [1, 1, 2]), within_s=15)
            assert len(set(world.kafka.ids)) == 2
    finally:
        await database.close()
        await server.stop()
