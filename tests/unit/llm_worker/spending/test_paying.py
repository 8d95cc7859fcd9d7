"""What a handling tells the books of money: what was used, paid in vain, saved, and refused."""

import asyncio
from dataclasses import replace

import pytest
from support.llm_asking import TWO_MODELS, Worker
from support.logged import logged
from support.questions import discord_question, email_question, message_of

from llm_worker.answers.claims import Answer
from llm_worker.asking.seams import EmptyDesk, Ready, Why
from llm_worker.fakes import FakeTable
from llm_worker.providers.completion import Completion, Failed, Outcome, Usage
from posta import topics
from posta.engine.message import Publish
from posta.errors import NotNow, Permanent, Transient, Unavailable
from posta.telemetry import names

PRICES = """
providers: {{one: {{base_url: http://one.example/v1}}}}
models: {{a: {{provider: one, name: a, price: {{input: 10, output: 20, currency: EUR}}}}}}
routes: [{{name: all, choices: [{{model: a}}]}}]
budget: {budget}
"""
SAID = Completion(text="Because.", model="a", tokens_in=40, tokens_out=10)


class Noted:
    """``Accounts`` that remember."""

    def __init__(self):
        self.uncalled = []
        self.settled = []

    def note(self, uncalled):
        self.uncalled.append((uncalled.event_id, uncalled.source))

    def settle(self, ended, *, used=None):
        self.settled += [one.outcome for one in ended]


def worker(*script, budget="{}", **given):
    return Worker(*script, text=PRICES.format(budget=budget), **given)


def outcomes(table):
    return sorted((one.outcome, one.is_used) for one in table.calls.values())


async def text_of(asking, event=None):
    (publish,) = await asking.handler.handle(message_of(event or discord_question()))
    return publish.event.data.text


async def test_an_answer_is_accounted_for_with_tenant_and_conversation():
    asking = worker(SAID)
    await text_of(asking, email_question())
    (spent,) = asking.table.calls.values()
    assert (spent.outcome, spent.is_used, spent.usage) == ("ok", True, Usage(tokens_in=40, tokens_out=10))
    assert spent.call.tenant == "mailbox:posta@example.test"
    assert spent.call.conversation == "email:thread:1"
    assert (spent.call.provider, spent.call.model, str(spent.cost)) == ("one", "a", "0.0006")


async def test_a_failure_and_its_fallback_are_both_accounted_for():
    timeout = Failed(
        outcome=Outcome.CUT_OFF, failure=Transient("cut"), usage=Usage(tokens_in=9, tokens_out=1)
    )
    asking = Worker(timeout, text=TWO_MODELS)
    await text_of(asking)
    assert outcomes(asking.table) == [("cut_off", False), ("ok", True)]


async def test_a_handling_that_failed_leaves_nothing_reserved():
    asking = worker(Failed(outcome=Outcome.SERVER_ERROR, failure=Transient("503")))
    with pytest.raises(Transient):
        await text_of(asking)
    assert outcomes(asking.table) == [("server_error", False)]
    assert asking.table.spent("guild:g1") == (0, 0)


async def test_content_that_was_refused_was_paid_for_in_vain():
    usage = Usage(tokens_in=30, tokens_out=5)
    asking = worker(Failed(outcome=Outcome.CONTENT_REFUSED, failure=Permanent("no"), usage=usage))
    assert "cannot help" in await text_of(asking)
    assert outcomes(asking.table) == [("content_refused", False)]


async def test_an_answer_that_shows_nothing_was_paid_for_in_vain():
    asking = worker(replace(SAID, text="\x00"))
    with pytest.raises(Transient):
        await text_of(asking)
    assert outcomes(asking.table) == [("ok", False)]


async def test_of_a_hedge_the_loser_is_paid_for_in_vain():
    async def slow(request):
        await asyncio.sleep(30)

    asking = Worker(text=TWO_MODELS + "    hedge_after_s: 0.01\n")
    asking.provider.ask = slow
    await text_of(asking)
    assert outcomes(asking.table) == [("cancelled", False), ("ok", True)]


async def test_what_a_release_could_not_write_is_written_later():
    noted = Noted()
    asking = worker(accounts=noted)

    async def fail(request):
        asking.answers.away = True
        raise OSError("the wire is cut")

    asking.provider.ask = fail
    with pytest.raises(OSError, match="the wire"):
        await text_of(asking)
    assert noted.settled == ["cancelled"]


async def test_what_a_store_could_not_write_is_written_with_the_answer_once():
    noted = Noted()
    asking = worker(accounts=noted)

    async def answer(request):
        asking.answers.away = True
        return await real(request)

    real, asking.provider.ask = asking.provider.ask, answer
    with pytest.raises(Unavailable):
        await text_of(asking)
    asking.answers.away = False
    await text_of(asking)
    assert noted.settled == []
    assert outcomes(asking.table) == [("ok", True)]
    assert asking.table.rows["discord:1"].calls == 1


async def test_a_redelivery_is_counted_as_answered_from_delivery():
    noted, table = Noted(), FakeTable()
    await text_of(worker(SAID, table=table))
    await text_of(worker(table=table, accounts=noted))
    assert noted.uncalled == [("discord:1", "delivery")]
    assert len(table.calls) == 1


@pytest.mark.parametrize(("locale", "word"), [("en-US", "tomorrow"), ("es-ES", "mañana"), ("fr", "tomorrow")])
async def test_over_its_budget_a_tenants_people_are_told_so_in_their_language(locale, word):
    asking = worker(budget="{daily: {tokens: 10}}")
    assert word in await text_of(asking, discord_question(locale=locale))
    assert asking.provider.calls == []
    assert asking.table.rows["discord:1"].calls == 0


async def test_a_question_over_budget_is_neither_retried_nor_paid_for_when_it_comes_again():
    asking = worker(budget="{daily: {cost: 0}}")
    first = await text_of(asking)
    assert await text_of(asking) == first
    assert asking.provider.calls == []


async def test_a_tenant_that_is_named_has_its_own_budget():
    budget = "{daily: {tokens: 0}, tenants: {'mailbox:posta@example.test': {}}}"
    asking = worker(SAID, budget=budget)
    assert await text_of(asking, email_question()) == "Because."
    assert "tomorrow" in await text_of(asking, discord_question())


async def test_a_fallback_that_the_budget_does_not_allow_is_not_made():
    cut = Failed(outcome=Outcome.CUT_OFF, failure=Transient("cut"), usage=Usage(tokens_in=30, tokens_out=150))
    asking = Worker(cut, text=TWO_MODELS + "budget: {daily: {tokens: 250}}\n")
    assert "tomorrow" in await text_of(asking)
    assert asking.providers["b"].calls == []
    assert outcomes(asking.table) == [("cut_off", False)]


async def test_a_hedge_that_the_budget_does_not_allow_is_not_made():
    asking = Worker(text=TWO_MODELS + "    hedge_after_s: 0.01\nbudget: {daily: {tokens: 250}}\n")
    real = asking.provider.ask

    async def slow(request):
        await asyncio.sleep(0.05)
        return await real(request)

    asking.provider.ask = slow
    assert await text_of(asking) == "An answer."
    assert asking.providers["b"].calls == []


async def test_the_turn_of_a_refused_question_is_given_back():
    asking = worker(budget="{daily: {tokens: 0}}")
    await text_of(asking)
    assert asking.purses.in_flight == {"a": 0}


async def test_the_operator_is_warned_once_and_told_when_it_is_used_up():
    def count(event):
        return names.LLM_BUDGET.labels(event)._value.get()

    before = {event: count(event) for event in ("warned", "stopped", "refused")}
    asking = worker(SAID, SAID, budget="{daily: {tokens: 260}, warn_at: 0.6}")
    with logged() as lines:
        for number in range(5):
            await text_of(asking, discord_question(number))
    assert [line["tenant"] for line in lines["llm_budget_nearly_used_up"]] == ["person:7"]
    assert len(lines["llm_budget_used_up"]) == 1
    told = {event: count(event) - before[event] for event in before}
    assert told["warned"] == 1
    assert told["stopped"] == 1
    assert told["refused"] == 5 - len(asking.provider.calls)
    assert told["refused"] > 1


class PassesOn(EmptyDesk):
    """A desk with somebody to pass questions on to."""

    def __init__(self):
        self.let_go = []

    async def hand_over(self, event, question, *, why):
        assert why is Why.BUDGET
        reply = Publish(topic=topics.EVENTS_PUBLISHED, event=event)
        return Ready(answer=Answer(text="A person will answer.", model="person"), beside=(reply,))

    async def unanswered(self, event):
        self.let_go.append(event.id)


async def test_over_its_budget_a_question_is_passed_on_to_a_person_if_the_rules_say_so():
    asking = worker(budget="{daily: {tokens: 0}, when_used_up: hand_over}", desk=PassesOn())
    for _ in range(2):  # the second time as after a crash before the first was published
        publishes = await asking.handler.handle(message_of(discord_question()))
        assert [one.topic for one in publishes] == [topics.REPLIES_READY, topics.EVENTS_PUBLISHED]
    assert asking.provider.calls == []


async def test_whoever_waits_for_the_answer_to_the_same_question_is_let_go():
    desk = PassesOn()
    await text_of(worker(budget="{daily: {tokens: 0}}", desk=desk))
    assert desk.let_go == ["discord:1"]


async def test_while_the_books_are_away_nothing_is_spent():
    asking = worker(SAID)
    asking.answers.away = True
    with pytest.raises(Unavailable):
        await text_of(asking)
    assert asking.provider.calls == []


async def test_the_cost_is_counted_by_model_and_what_was_in_vain_by_outcome():
    def cost():
        return names.LLM_COST.labels("a", "EUR")._value.get()

    def wasted(outcome):
        return names.LLM_COST_WASTED.labels("a", outcome)._value.get()

    cut = Failed(outcome=Outcome.CUT_OFF, failure=NotNow("cut", wait_s=1), usage=Usage(tokens_out=100))
    before = cost(), wasted("cut_off")
    asking = worker(cut, SAID)
    with pytest.raises(NotNow):
        await text_of(asking)
    await text_of(asking)
    assert cost() - before[0] == pytest.approx(0.002 + 0.0006)
    assert wasted("cut_off") - before[1] == pytest.approx(0.002)
