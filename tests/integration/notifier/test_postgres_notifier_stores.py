"""What notifier keeps in PostgreSQL beside the ledger: standing messages, shares, digests, destinations."""

import time
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from support.deliveries import published
from support.standing_contract import StandingContract

from notifier.ledger.ledger import PostgresLedger
from notifier.ledger.standing import PostgresStanding
from notifier.limits.buckets import Buckets, Target
from notifier.limits.global_limit import GlobalLimit
from notifier.limits.refusals_budget import RefusalBudget
from notifier.limits.sharing import SharedScope, Sharing
from notifier.limits.slots import Slots
from notifier.routing.digests import Digests
from notifier.routing.rules import Digest
from posta.domain.envelope import decode
from posta.errors import Transient
from posta.postgres.destinations import AlreadyRegistered, DestinationRegistry, Registered
from posta.postgres.migrations import migrate
from posta.postgres.pool import Database
from posta.settings import DatabaseSettings

pytestmark = pytest.mark.integration


@pytest.fixture
async def database(database_url):
    await migrate(database_url)
    database = Database(DatabaseSettings(url=SecretStr(database_url)), application="test")
    yield database
    await database.close()


class TestPostgresStanding(StandingContract):
    @pytest.fixture
    def ledger(self, database):
        return PostgresLedger(database)

    @pytest.fixture
    def standing(self, database):
        return PostgresStanding(database)

    async def test_what_nothing_touched_for_long_is_forgotten(self, standing, ledger):
        await standing.join(published(1, dedupe_key="k"), window_s=60)
        await standing.prune(older_than_s=-1)
        joined = await standing.join(published(2, dedupe_key="k"), window_s=60)
        assert joined.part.value == "first"


class Member:
    """One notifier's part in the limits."""

    def __init__(self, database, name, *, most=1000):
        self.limit = GlobalLimit(Slots(), most_waiting=9, clock=time.monotonic)
        self.buckets, self.budget = Buckets(), RefusalBudget(most=most)
        self.sharing = Sharing(
            database,
            {"address": SharedScope(name="address:test", total=50, limit=self.limit)},
            member=name,
            buckets=self.buckets,
            budget=self.budget,
            address="test",
        )

    @property
    def share(self):
        return self.limit.slots.share

    def wants_all(self, destinations):
        self.limit.starved.set()
        for n in range(destinations):
            self.limit._seen[str(n)] = time.monotonic()


async def settle(*members, rounds=3):
    for _ in range(rounds):
        for member in members:
            await member.sharing.exchange()


async def test_members_divide_the_limit_by_their_destinations_and_never_hold_more_than_all_of_it(database):
    a, b = Member(database, "a"), Member(database, "b")
    await a.sharing.exchange()
    assert a.share == 50, "alone it has all"
    await b.sharing.exchange()
    assert b.share == 0, "what the other holds is not given twice"
    for _ in range(3):
        a.wants_all(12)
        await a.sharing.exchange()
        assert a.share + b.share <= 50
        b.wants_all(8)
        await b.sharing.exchange()
        assert a.share + b.share <= 50
    assert (a.share, b.share) == (30, 20)


async def test_slots_in_use_are_not_given_away_before_they_have_cooled(database):
    a, b = Member(database, "a"), Member(database, "b")
    await a.sharing.exchange()
    for _ in range(40):
        assert a.limit.slots.take(time.monotonic())
    for _ in range(2):
        for member in (b, a):
            member.wants_all(1)
            await member.sharing.exchange()
    b.wants_all(1)
    await b.sharing.exchange()
    assert a.share == 25
    assert b.share == 10, "forty are on their way"


async def test_a_member_that_leaves_gives_its_share_back(database):
    a, b = Member(database, "a"), Member(database, "b")
    async with a.sharing.running():
        await settle(a, b)
        assert b.share < 50
    await b.sharing.exchange()
    assert b.share == 50


async def test_refusals_of_all_members_count_and_a_closure_holds_for_all(database):
    a, b = Member(database, "a", most=3), Member(database, "b", most=3)
    for _ in range(2):
        a.budget.refused(time.time())
        b.budget.refused(time.time())
    a.buckets.close_all(time.monotonic() + 30)
    await settle(a, b)
    assert b.budget.wait_s(time.time()) > 0
    assert b.buckets.wait_s(Target("POST webhook", "x"), time.monotonic()) > 20


class FakeProducer:
    def __init__(self):
        self.published, self.failing = [], False

    async def publish(self, topic, wires, *, timeout_s):
        if self.failing:
            raise Transient("Kafka is away")
        self.published += [decode(key=w.key, value=w.value, headers=w.headers) for w in wires]


async def test_many_events_become_one_message_once_even_if_kafka_is_away_when_it_is_due(database):
    now, producer = [1000.0], FakeProducer()
    digests = Digests(database, producer, clock=lambda: now[0])
    rule = Digest(destinations=("ops", "dba"), rule="route-1", every_s=60)
    for n in (1, 2, 3, 3):
        await digests.add(published(n), rule)
    assert await digests.publish_due() == 0, "not yet"
    now[0] += 61
    producer.failing = True
    with pytest.raises(Transient):
        await digests.publish_due()
    producer.failing = False
    await digests.add(published(4), rule)
    assert await digests.publish_due() == 2
    assert await digests.publish_due() == 0
    events = {event.key: event for event in producer.published}
    assert sorted(events) == ["dba", "ops"]
    assert [event.data.data["count"] for event in events.values()] == [3, 3]
    assert events["ops"].data.routed
    assert events["ops"].id != events["dba"].id


async def test_the_registry_keeps_each_place_once_and_tells_what_is_disabled(database):
    registry = DestinationRegistry(database)
    one = Registered(
        id="ops2", kind="webhook", description="d", place_id="1", sealed_url=b"x", created_by="t"
    )
    await registry.add(one)
    assert await registry.all() == [one]
    with pytest.raises(AlreadyRegistered, match="the id"):
        await registry.add(one)
    with pytest.raises(AlreadyRegistered, match="place"):
        await registry.add(Registered(id="x", kind="webhook", description="d", place_id="1", sealed_url=b"x"))
    assert await registry.disable("ops2", why="404/10015")
    assert not await registry.disable("ops2", why="again")
    disabled = (await registry.disabled())["ops2"]
    assert disabled.why == "404/10015"
    assert (datetime.now(UTC) - disabled.since).total_seconds() < 600
    assert await registry.enable("ops2")
    assert not await registry.enable("ops2")
    assert await registry.remove("ops2")
    assert not await registry.remove("ops2")
