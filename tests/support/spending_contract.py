"""What every store of answers must keep of money: one suite for the fake and for PostgreSQL."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from llm_worker.answers.claims import Answer, Answered, Answers, Claim, OverBudget
from llm_worker.providers.completion import Usage
from llm_worker.providers.rules import PriceRules
from llm_worker.spending.budget import BudgetUsedUp
from llm_worker.spending.call import Call, Ended, Limit

ANSWER = Answer(text="Because.", model="m", tokens_in=5, tokens_out=2)
PRICE = PriceRules(input=Decimal(10), output=Decimal(20), currency="EUR")
"""A call of 100 and 50 tokens costs 0.002."""
MOST = Usage(tokens_in=100, tokens_out=50)
CAME_TO = Usage(tokens_in=40, tokens_out=10)
COST, MOST_COST = Decimal("0.0006"), Decimal("0.002")


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The same books as several processes see them."""

    of: Callable[[str], Answers]
    """The store of the process of that name."""
    spent: Callable[[str], Awaitable[tuple[Decimal, int]]]
    """What counts against a tenant's budget: cost and tokens."""
    row: Callable[[Call], Awaitable[tuple[str, Decimal, bool]]]
    """A call's outcome, cost, and whether its answer was used."""


def call_of(event_id: str = "e", *, tenant: str = "guild:1", **limit: Any) -> Call:
    """A call about to be made."""
    return Call(
        id=uuid.uuid4(), event_id=event_id, conversation="c", tenant=tenant, provider="p", model="m",
        price=PRICE, most=MOST, limit=Limit(**limit),
    )  # fmt: skip


def ended(call: Call, outcome: str = "ok", usage: Usage = CAME_TO) -> Ended:
    """What it came to."""
    return Ended(call=call, outcome=outcome, usage=usage, is_estimated=False)


async def begun(books: Books, call: Call, *, owner: str = "a") -> Claim:
    """The claim, which must be had."""
    claim = await books.of(owner).claim(call.event_id, call=call)
    assert isinstance(claim, Claim), claim
    return claim


class SpendingContract:
    """Collected by the classes that inherit it and provide the fixture ``books``."""

    async def test_a_call_counts_at_its_most_before_it_is_made(self, books):
        call = call_of()
        await begun(books, call)
        assert await books.spent("guild:1") == (MOST_COST, 150)
        assert await books.row(call) == ("begun", MOST_COST, False)

    async def test_with_the_answer_it_counts_what_it_came_to(self, books):
        call = call_of()
        claim = await begun(books, call)
        assert await books.of("a").store(claim, ANSWER, ended=[ended(call)], used=call.id)
        assert await books.spent("guild:1") == (COST, 50)
        assert await books.row(call) == ("ok", COST, True)

    async def test_what_a_call_came_to_is_entered_once(self, books):
        call = call_of()
        claim = await begun(books, call)
        for _ in range(2):
            await books.of("a").store(claim, ANSWER, ended=[ended(call)], used=call.id)
        await books.of("a").release(claim, ended=[ended(call, "timeout", MOST)])
        assert await books.spent("guild:1") == (COST, 50)
        assert await books.row(call) == ("ok", COST, True)

    async def test_a_failed_call_counts_and_was_paid_for_in_vain(self, books):
        call = call_of()
        claim = await begun(books, call)
        await books.of("a").release(claim, ended=[ended(call, "timeout", MOST)])
        assert await books.row(call) == ("timeout", MOST_COST, False)

    async def test_a_call_that_was_never_made_gives_everything_back(self, books):
        call = call_of()
        claim = await begun(books, call)
        await books.of("a").release(claim, ended=[ended(call, "not_made", Usage())])
        assert await books.spent("guild:1") == (0, 0)

    async def test_each_call_of_an_event_is_accounted_for(self, books):
        first, second = call_of(), call_of()
        claim = await begun(books, first)
        failed = ended(first, "cut_off")
        assert await books.of("a").again(claim, call=second, ended=[failed])
        assert await books.of("a").store(claim, ANSWER, ended=[failed, ended(second)], used=second.id)
        assert await books.spent("guild:1") == (2 * COST, 100)
        assert await books.row(first) == ("cut_off", COST, False)
        assert await books.row(second) == ("ok", COST, True)

    async def test_the_answer_of_a_lost_claim_was_paid_for_in_vain(self, books):
        call = call_of()
        old = await begun(books, call)
        await begun(books, call_of())
        assert not await books.of("a").store(old, ANSWER, ended=[ended(call)], used=call.id)
        assert await books.row(call) == ("ok", COST, False)

    async def test_whoever_does_not_get_the_claim_reserves_nothing(self, books):
        await begun(books, call_of())
        await books.of("b").claim("e", call=call_of(tenant="guild:2"))
        assert await books.spent("guild:2") == (0, 0)

    @pytest.mark.parametrize(
        "limit", [{"cost": Decimal("0.0019")}, {"tokens": 149}, {"cost": Decimal(0)}], ids=str
    )
    async def test_a_call_that_could_come_to_more_than_is_left_is_not_made(self, books, limit):
        call = call_of(**limit)
        refused = await books.of("a").claim("e", call=call)
        assert isinstance(refused, OverBudget)
        assert refused.first
        assert refused.claim.fence == 1
        assert await books.spent("guild:1") == (0, 0)

    async def test_only_the_first_refusal_of_a_day_is_the_first(self, books):
        for number, first in enumerate((True, False)):
            call = call_of(f"e{number}", tokens=0)
            refused = await books.of("a").claim(call.event_id, call=call)
            assert isinstance(refused, OverBudget)
            assert refused.first is first

    async def test_an_answer_for_an_empty_budget_is_found_again(self, books):
        refused = await books.of("a").claim("e", call=call_of(tokens=0))
        assert isinstance(refused, OverBudget)
        assert await books.of("a").store(refused.claim, ANSWER)
        assert await books.of("b").claim("e", call=call_of()) == Answered(answer=ANSWER)

    async def test_exactly_the_budget_may_be_spent(self, books):
        for number in range(2):
            await begun(books, call_of(f"e{number}", tokens=300))
        assert isinstance(await books.of("a").claim("e2", call=call_of("e2", tokens=300)), OverBudget)

    async def test_what_a_call_did_not_need_is_there_for_the_next(self, books):
        call = call_of(tokens=200)
        claim = await begun(books, call)
        assert isinstance(await books.of("a").claim("e2", call=call_of("e2", tokens=200)), OverBudget)
        await books.of("a").store(claim, ANSWER, ended=[ended(call)], used=call.id)
        await begun(books, call_of("e2", tokens=200))

    async def test_another_call_under_a_claim_needs_budget_too(self, books):
        first = call_of(tokens=200)
        claim = await begun(books, first)
        with pytest.raises(BudgetUsedUp):
            await books.of("a").again(claim, call=call_of(tokens=200), ended=[ended(first, "timeout", MOST)])
        assert await books.row(first) == ("timeout", MOST_COST, False)
        assert await books.spent("guild:1") == (MOST_COST, 150)

    async def test_tenants_have_budgets_of_their_own(self, books):
        await begun(books, call_of("e1", tokens=150))
        await begun(books, call_of("e2", tenant="guild:2", tokens=150))

    async def test_the_warning_comes_once_at_its_share(self, books):
        calls = [call_of(f"e{number}", tokens=1000, warn_at=0.3) for number in range(4)]
        assert [(await begun(books, call)).warns for call in calls] == [False, True, False, False]

    async def test_a_call_may_reach_the_warning_alone(self, books):
        assert (await begun(books, call_of(cost=Decimal("0.002")))).warns

    async def test_a_limit_that_was_raised_counts_at_once(self, books):
        call = call_of(tokens=0)
        assert isinstance(await books.of("a").claim("e", call=call), OverBudget)
        await begun(books, replace(call_of(), limit=Limit(tokens=150)))
