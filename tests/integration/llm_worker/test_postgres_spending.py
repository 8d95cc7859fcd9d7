"""The books of money on real PostgreSQL: budgets among many workers, days, what was saved, what is kept."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from support.spending_contract import ANSWER, MOST, Books, SpendingContract, begun, call_of, ended

from llm_worker.answers.claims import Claim, OverBudget
from llm_worker.answers.postgres import PostgresAnswers
from llm_worker.conversation.erasure import Erasure
from llm_worker.providers.rules import LlmRules
from llm_worker.spending.budget import BudgetUsedUp
from llm_worker.spending.ledger import Ledger, Uncalled
from llm_worker.spending.report import By, Usage, Wanted
from llm_worker.spending.upkeep import UpkeepPolicy, keep_up
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


async def rows(database, statement, *values):
    async with database.connection() as connection:
        return [dict(row) for row in await connection.fetch(statement, *values)]


@pytest.fixture
def books(database):
    async def spent(tenant):
        found = await rows(database, "SELECT cost, tokens FROM llm_tenant_day WHERE tenant = $1", tenant)
        return (found[0]["cost"], found[0]["tokens"]) if found else (Decimal(0), 0)

    async def row(call):
        (found,) = await rows(database, "SELECT outcome, cost, is_used FROM llm_usage WHERE id = $1", call.id)
        return tuple(found.values())

    return Books(of=lambda owner: PostgresAnswers(database, owner=owner, lease_s=15), spent=spent, row=row)


class TestPostgresBooks(SpendingContract):
    pass


@pytest.mark.parametrize("budget", [7, 1])
async def test_many_workers_at_once_never_reserve_more_than_the_budget(books, budget):
    calls = [call_of(f"e{number}", tokens=150 * budget) for number in range(30)]
    found = await asyncio.gather(
        *(books.of(f"w{n % 5}").claim(call.event_id, call=call) for n, call in enumerate(calls))
    )
    assert sum(isinstance(one, Claim) for one in found) == budget
    assert sum(isinstance(one, OverBudget) for one in found) == 30 - budget
    assert sum(one.first for one in found if isinstance(one, OverBudget)) == 1
    assert await books.spent("guild:1") == (budget * Decimal("0.002"), budget * 150)


async def test_settling_at_once_with_reserving_keeps_the_sum_right(books, database):
    async def answer(number):
        call = call_of(f"e{number}")
        claim = await begun(books, call, owner=f"w{number % 4}")
        await books.of(f"w{number % 4}").store(claim, ANSWER, ended=[ended(call)], used=call.id)

    await asyncio.gather(*(answer(number) for number in range(40)))
    assert await books.spent("guild:1") == (40 * Decimal("0.0006"), 40 * 50)
    (sums,) = await rows(database, "SELECT sum(cost) AS cost, count(*) AS calls FROM llm_usage")
    assert sums == {"cost": 40 * Decimal("0.0006"), "calls": 40}


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_a_day_ends_at_the_configured_time_zones_midnight(books, database, zone):
    before = datetime.now(UTC)
    await begun(books, call_of(time_zone=zone))
    (found,) = await rows(database, "SELECT day FROM llm_usage")
    assert found["day"] in {
        moment.astimezone(ZoneInfo(zone)).date() for moment in (before, datetime.now(UTC))
    }


async def test_yesterdays_spending_does_not_count_today(books, database):
    claim_of_yesterday = call_of("e1", tokens=150)
    await begun(books, claim_of_yesterday)
    async with database.connection() as connection:
        await connection.execute("UPDATE llm_usage SET day = day - 1")
        await connection.execute("UPDATE llm_tenant_day SET day = day - 1")
    await begun(books, call_of("e2", tokens=150))


async def test_a_call_that_ends_after_midnight_counts_on_the_day_it_began(books, database):
    call = call_of()
    claim = await begun(books, call)
    async with database.connection() as connection:
        await connection.execute("UPDATE llm_usage SET day = day - 1")
        await connection.execute("UPDATE llm_tenant_day SET day = day - 1")
    await books.of("a").store(claim, ANSWER, ended=[ended(call)], used=call.id)
    (day,) = await rows(database, "SELECT day, tokens FROM llm_tenant_day")
    assert day["tokens"] == 50
    assert day["day"] < datetime.now(UTC).date() + timedelta(days=1)


async def test_with_postgresql_away_nothing_may_be_spent(unused_tcp_port):
    url = f"postgresql://posta@127.0.0.1:{unused_tcp_port}/posta"
    database = Database(DatabaseSettings(url=url, command_timeout_s=0.3), application="test")
    call = call_of()
    with pytest.raises(Unavailable):
        await PostgresAnswers(database, owner="w", lease_s=15).claim("e", call=call)
    with pytest.raises(Unavailable):
        await Ledger(database).begin(call)


class TestLedger:
    async def test_a_summary_is_reserved_for_and_settled(self, books, database):
        ledger, call = Ledger(database), call_of(tenant="summaries")
        await ledger.begin(call)
        assert await books.spent("summaries") == (Decimal("0.002"), 150)
        ledger.settle([ended(call)], used=call.id)
        await ledger.write()
        assert await books.row(call) == ("ok", Decimal("0.0006"), True)

    async def test_summaries_have_a_budget_too(self, database):
        with pytest.raises(BudgetUsedUp):
            await Ledger(database).begin(call_of(tenant="summaries", tokens=149))

    async def test_an_answer_without_a_call_is_counted_once_however_often_it_is_noted(self, database):
        ledger = Ledger(database)
        for event_id, source in (("e1", "faq"), ("e1", "faq"), ("e1", "delivery"), ("e2", "cache")):
            ledger.note(
                Uncalled(
                    event_id=event_id, conversation="c", tenant="guild:1", source=source, time_zone="UTC"
                )
            )
        await ledger.write()
        await ledger.write()
        found = await rows(database, "SELECT event_id, outcome, cost FROM llm_usage ORDER BY 1, 2")
        assert [tuple(row.values()) for row in found] == [
            ("e1", "delivery", 0),
            ("e1", "faq", 0),
            ("e2", "cache", 0),
        ]

    async def test_what_could_not_be_written_is_written_later(self, books, database, monkeypatch):
        ledger, call = Ledger(database), call_of()
        await begun(books, call)
        ledger.settle([ended(call, "timeout", MOST)])
        whole = database.connection

        def away():
            raise Unavailable("postgres", "away")

        monkeypatch.setattr(database, "connection", away)
        with pytest.raises(Unavailable):
            await ledger.write()
        monkeypatch.setattr(database, "connection", whole)
        await ledger.write()
        assert (await books.row(call))[0] == "timeout"

    async def test_the_last_notes_are_written_when_the_worker_ends(self, database):
        ledger = Ledger(database)
        async with ledger.writing():
            ledger.note(Uncalled(event_id="e", conversation="c", tenant="t", source="faq", time_zone="UTC"))
        assert len(await rows(database, "SELECT 1 FROM llm_usage")) == 1


class TestUsage:
    """What operators are shown, and what is kept how long."""

    PRICES = LlmRules.model_validate({"budget": {"daily": {"tokens": 300}}}).budget

    @pytest.fixture
    async def usage(self, books, database):
        for number, tenant in enumerate(("guild:1", "guild:1", "guild:2")):
            call = call_of(f"e{number}", tenant=tenant, tokens=300)
            claim = await begun(books, call)
            if number == 1:
                await books.of("a").release(claim, ended=[ended(call, "timeout", MOST)])
            else:
                await books.of("a").store(claim, ANSWER, ended=[ended(call)], used=call.id)
        ledger = Ledger(database)
        for number, source in enumerate(("faq", "faq", "cache")):
            ledger.note(
                Uncalled(
                    event_id=f"f{number}", conversation="d", tenant="guild:2", source=source, time_zone="UTC"
                )
            )
        await ledger.write()
        return Usage(database)

    async def read(self, usage, **wanted):
        return await usage.read(Wanted(**wanted), self.PRICES, currency="EUR")

    async def test_the_sums_are_those_of_the_calls(self, usage):
        report = await self.read(usage)
        total = report.total
        assert (total.calls, total.uncalled, total.tokens_in, total.tokens_out) == (3, 3, 180, 70)
        assert (total.cost, total.wasted) == (Decimal("0.0032"), Decimal("0.002"))
        assert report.saved == {"faq": 2, "cache": 1}
        assert report.saved_cost == Decimal("0.0032")
        assert [line.name for line in report.lines] == [str(report.last)]

    @pytest.mark.parametrize(
        ("by", "names"),
        [
            (By.TENANT, ["guild:1", "guild:2"]),
            (By.CONVERSATION, ["c", "d"]),
            (By.MODEL, ["m", ""]),
            (By.OUTCOME, ["timeout", "ok", "faq", "cache"]),
        ],
    )
    async def test_lines_come_by_what_was_asked_for_the_most_expensive_first(self, usage, by, names):
        assert [line.name for line in (await self.read(usage, by=by)).lines] == names

    async def test_one_tenant_is_shown_alone(self, usage):
        report = await self.read(usage, tenant="guild:2")
        assert (report.total.calls, report.total.uncalled) == (1, 3)
        assert [budget.tenant for budget in report.budgets] == ["guild:2"]

    async def test_calls_under_way_are_told_apart_from_calls_in_vain(self, usage, books):
        await begun(books, call_of("e9", tenant="guild:3"))
        total = (await self.read(usage, tenant="guild:3")).total
        assert (total.cost, total.under_way, total.wasted) == (Decimal("0.002"), Decimal("0.002"), 0)

    async def test_budgets_of_today_say_how_far_each_tenant_is(self, usage):
        budgets = {budget.tenant: budget for budget in (await self.read(usage)).budgets}
        assert budgets["guild:1"].share == round(200 / 300, 4)
        assert budgets["guild:2"].tokens_limit == 300

    async def test_old_calls_are_summed_up_and_the_report_stays_the_same(self, usage, database):
        async with database.connection() as connection:
            await connection.execute("UPDATE llm_usage SET day = day - 100")
        before = await self.read(usage, days=200, by=By.OUTCOME)
        policy = UpkeepPolicy(retention_days=90)
        done = await asyncio.gather(*(keep_up(database, policy) for _ in range(3)))
        assert sum(one["summed_up"] for one in done) == 6
        assert await rows(database, "SELECT 1 FROM llm_usage") == []
        assert await self.read(usage, days=200, by=By.OUTCOME) == before

    async def test_sums_are_deleted_in_the_end(self, usage, database):
        async with database.connection() as connection:
            await connection.execute("UPDATE llm_usage SET day = day - 2000")
            await connection.execute("UPDATE llm_tenant_day SET day = day - 2000")
        await keep_up(database, UpkeepPolicy())
        assert await rows(database, "SELECT 1 FROM llm_usage_day") == []
        assert await rows(database, "SELECT 1 FROM llm_tenant_day") == []

    async def test_of_a_call_whose_worker_died_the_most_stays_spent_until_it_is_corrected(
        self, books, database
    ):
        call = call_of()
        claim = await begun(books, call)
        async with database.connection() as connection:
            await connection.execute("UPDATE llm_usage SET begun_at = begun_at - interval '2 hours'")
        assert (await keep_up(database, UpkeepPolicy()))["lost"] == 1
        assert await books.row(call) == ("lost", Decimal("0.002"), False)
        assert await books.spent("guild:1") == (Decimal("0.002"), 150)
        await books.of("a").store(claim, ANSWER, ended=[ended(call)], used=call.id)
        assert await books.row(call) == ("ok", Decimal("0.0006"), True)
        assert await books.spent("guild:1") == (Decimal("0.0006"), 50)

    async def test_an_erased_persons_spending_is_nobodys_and_todays_budget_stays_used(self, books, database):
        for day in (0, 100):
            await begun(books, call_of(f"e{day}", tenant="person:7"))
            async with database.connection() as connection:
                await connection.execute("UPDATE llm_usage SET day = day - $1::int, outcome = 'ok'", day)
        await keep_up(database, UpkeepPolicy())
        await begun(books, call_of("e5", tenant="person:7"))
        await Erasure(database).erase("discord:7", by="test")
        for table in ("llm_usage", "llm_usage_day"):
            found = await rows(database, f"SELECT tenant FROM {table}")  # noqa: S608
            assert {row["tenant"] for row in found} == {"person:erased"}
        assert (await books.spent("person:7"))[1] == 450
