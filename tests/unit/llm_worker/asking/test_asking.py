"""Who is asked next, what waits and how, and what becomes of those who cannot wait."""

import asyncio

import pytest
from support.llm_asking import TWO_MODELS, Worker
from support.questions import discord_question, email_question, message_of

from llm_worker.answers.claims import Answer
from llm_worker.asking.seams import EmptyDesk, PlainPrompts, Ready
from llm_worker.fakes import FakeAnswers, FakeTable
from llm_worker.providers.completion import Completion, Failed, Outcome
from llm_worker.providers.port import Result
from llm_worker.providers.told import Told
from llm_worker.scratch import QuestionMessage
from posta.errors import Expired, NotNow, Permanent, Transient, Unavailable

LIMITED = """
providers: {one: {base_url: http://one.example/v1}}
models: {a: {provider: one, name: a, limits: {rpm: 2}}}
routes: [{name: all, choices: [{model: a}]}]
"""


def failed(outcome, failure=None):
    return Failed(outcome=outcome, failure=failure or Transient(outcome.value))


def refused_until(wait_s):
    return Failed(outcome=Outcome.THROTTLED, failure=NotNow("429", wait_s=wait_s))


async def text_of(worker, event=None):
    (publish,) = await worker.handler.handle(message_of(event or discord_question()))
    return publish.event.data.text


@pytest.mark.parametrize(
    "outcome", [Outcome.SERVER_ERROR, Outcome.TIMEOUT, Outcome.UNAUTHORIZED, Outcome.THROTTLED]
)
async def test_another_model_is_asked_in_the_same_handling(outcome):
    failure = NotNow("429", wait_s=9) if outcome is Outcome.THROTTLED else None
    worker = Worker(failed(outcome, failure), text=TWO_MODELS)
    worker.providers["b"].script(Completion(text="From b.", model="b"))
    assert await text_of(worker) == "From b."
    assert worker.table.rows["discord:1"].calls == 2


async def test_a_routes_longest_answer_is_asked_for_at_every_model():
    worker = Worker(failed(Outcome.SERVER_ERROR), text=TWO_MODELS + "    max_tokens: 77\n")
    await text_of(worker)
    asked = [provider.calls[0].max_tokens for provider in worker.providers.values()]
    assert asked == [77, 77]


async def test_when_nobody_is_left_the_failure_is_the_engines():
    worker = Worker(failed(Outcome.SERVER_ERROR), text=TWO_MODELS)
    worker.providers["b"].script(failed(Outcome.TIMEOUT, Transient("b was too slow")))
    with pytest.raises(Transient, match="b was too slow"):
        await text_of(worker)


async def test_a_request_that_is_wrong_is_asked_of_nobody_else():
    worker = Worker(failed(Outcome.REFUSED, Permanent("400")), text=TWO_MODELS)
    with pytest.raises(Permanent):
        await text_of(worker)
    assert worker.providers["b"].calls == []


@pytest.mark.parametrize(("locale", "said"), [("en-US", "I cannot help"), ("es-ES", "no puedo ayudarte")])
async def test_a_refusal_is_an_answer_and_is_stored(locale, said):
    worker = Worker(failed(Outcome.CONTENT_REFUSED, Permanent("no")))
    assert said in await text_of(worker, discord_question(locale=locale))
    assert said in await text_of(worker, discord_question(locale=locale))
    assert len(worker.provider.calls) == 1


async def test_a_prompt_too_long_is_shortened_and_asked_at_the_same_place():
    worker = Worker(failed(Outcome.CONTEXT_TOO_LONG, Permanent("long")), text=TWO_MODELS)
    await text_of(worker, discord_question(text="word " * 150))
    first, second = worker.providers["a"].calls
    assert len(second.prompt.user) < 0.6 * len(first.prompt.user)
    assert second.prompt.user.endswith("\n</question>")
    assert worker.providers["b"].calls == []


async def test_a_prompt_that_stays_too_long_is_given_up_after_three_cuts():
    worker = Worker(*[failed(Outcome.CONTEXT_TOO_LONG, Permanent("long"))] * 9)
    with pytest.raises(Permanent, match="long"):
        await text_of(worker, discord_question(text="word " * 190))
    assert len(worker.provider.calls) == 4


async def test_without_room_the_whole_group_waits_and_nothing_is_claimed():
    worker = Worker(text=LIMITED)
    for number in (1, 2):
        await text_of(worker, email_question(number))
    with pytest.raises(Unavailable) as caught:
        await text_of(worker, email_question(3))
    assert caught.value.dependency == "llm"
    assert "email:box:1:3" not in worker.table.rows
    worker.now += 61
    await text_of(worker, email_question(3))
    assert worker.table.rows["email:box:1:3"].calls == 1


async def test_an_answer_that_was_paid_for_is_given_without_room():
    worker = Worker(text=LIMITED)
    for number in (1, 2):
        await text_of(worker, email_question(number))
    assert await text_of(worker, email_question(1)) == "An answer."


async def test_who_cannot_wait_is_told_while_that_is_possible():
    worker = Worker(text=LIMITED)
    for number in (1, 2):
        await text_of(worker, email_question(number))
    with pytest.raises(Expired, match="too late"):
        await text_of(worker, discord_question(life_s=60))


async def test_when_many_wait_the_others_go_to_the_lanes_so_that_a_worker_stays_free():
    worker = Worker(text=LIMITED, waiting_most=2)
    for number in (1, 2):
        await text_of(worker, email_question(number))
    found = []
    for number in range(3, 7):
        with pytest.raises((Unavailable, NotNow)) as caught:
            await text_of(worker, email_question(number))
        found.append(type(caught.value))
    assert found == [Unavailable, Unavailable, NotNow, NotNow]
    with pytest.raises(Unavailable):
        await text_of(worker, discord_question(life_s=800))


async def test_questions_in_lanes_are_no_crowd_somebody_stays_in_hand_to_take_the_next_room():
    worker = Worker(text=LIMITED, waiting_most=2)
    for number in (1, 2):
        await text_of(worker, email_question(number))
    for number in range(3, 8):
        with pytest.raises((Unavailable, NotNow)):
            await text_of(worker, email_question(number))
    worker.now += 62
    for number in (3, 4):
        await text_of(worker, email_question(number))
    with pytest.raises(Unavailable):
        await text_of(worker, email_question(5))


@pytest.fixture
def built(monkeypatch):
    """The events for which a prompt was built."""
    events, build = [], PlainPrompts.build

    async def counted(self, event, question):
        events.append(event.id)
        return await build(self, event, question)

    monkeypatch.setattr(PlainPrompts, "build", counted)
    return events


async def test_of_those_that_waited_only_whose_turn_has_come_is_prepared_again(built):
    worker = Worker(text="models: {main: {provider: main, limits: {rpm: 1}}}")
    await text_of(worker, email_question(1))
    for number in (2, 3, 4):
        with pytest.raises(Unavailable):
            await text_of(worker, email_question(number))
    worker.now += 62
    built.clear()
    got = await asyncio.gather(
        *(text_of(worker, email_question(number)) for number in (2, 3, 4)), return_exceptions=True
    )
    assert [isinstance(one, Unavailable) for one in got] == [False, True, True]
    assert built == ["email:box:1:2"]


async def test_a_prompt_that_has_grown_while_it_waited_needs_a_place_of_its_new_size(monkeypatch):
    worker = Worker(text="models: {main: {provider: main, limits: {tpm: 1000}, max_tokens: 100}}")
    long = "word " * 250
    await text_of(worker, email_question(1, text=long))
    with pytest.raises(Unavailable):
        await text_of(worker, email_question(2, text=long[:800]))
    worker.now += 62
    assert await text_of(worker, email_question(2, text=long))
    (spent,) = (call for call in worker.table.calls.values() if call.call.event_id == "email:box:1:2")
    assert spent.call.most.tokens_in > 400


async def test_a_place_is_given_back_when_the_desk_knows_the_answer_by_then():
    worker = Worker(text="models: {main: {provider: main, limits: {rpm: 1}}}")
    await text_of(worker, email_question(1))
    with pytest.raises(Unavailable):
        await text_of(worker, email_question(2))
    worker.now += 62

    class Knows(EmptyDesk):
        async def ready(self, *_args, **_fields):
            return Ready(answer=Answer(text="Known.", model="cache:x"))

    worker.handler.use(worker.lineup, Knows())
    assert await text_of(worker, email_question(2)) == "Known."
    worker.handler.use(worker.lineup, EmptyDesk())
    await worker.purses.look()
    assert await text_of(worker, email_question(3)) == "An answer."


async def test_a_question_that_comes_again_while_nothing_changed_is_not_prepared_again(built):
    worker = Worker(text=LIMITED)
    for number in (1, 2):
        await text_of(worker, email_question(number))
    built.clear()
    for _ in range(3):
        with pytest.raises(Unavailable):
            await text_of(worker, email_question(3))
    assert len(built) == 1
    worker.now += 62
    assert await text_of(worker, email_question(3))
    assert len(built) == 2


async def test_a_refusal_for_want_of_room_closes_the_bucket_and_not_the_circuit():
    worker = Worker()
    told = Told(retry_after_s=7.0)
    worker.provider.ask = lambda _request: _result(refused_until(7.0), told)
    with pytest.raises(Unavailable):
        await text_of(worker)
    (view,) = (await worker.purses.look()).values()
    assert (view.circuit, view.room_why) == ("closed", "told")
    assert view.room_in_s == pytest.approx(7.0)
    del worker.provider.ask
    with pytest.raises(Unavailable):
        await text_of(worker)
    assert worker.provider.calls == []
    worker.now += 7.1
    await text_of(worker)


async def _result(verdict, told):
    return Result(verdict=verdict, told=told)


async def test_three_failures_close_the_model_for_everybody_and_one_call_tries_it_again():
    worker = Worker(*[failed(Outcome.SERVER_ERROR)] * 4)
    other = Worker(clock=lambda: worker.now, books=worker.books, table=worker.table, owner="other")
    for number in range(3):
        with pytest.raises(Transient):
            await text_of(worker, email_question(number))
        await worker.purses.look()
    with pytest.raises(Unavailable, match="circuit"):
        await text_of(other, email_question(7))
    assert other.provider.calls == []
    worker.now += 121
    with pytest.raises(Transient, match="server_error"):
        await text_of(worker, email_question(3))
    await worker.purses.look()
    worker.now += 121
    with pytest.raises(Unavailable, match="circuit"):
        await text_of(other, email_question(7))
    worker.now += 120
    await text_of(other, email_question(7))
    await other.purses.look()
    assert next(iter((await worker.purses.look()).values())).circuit == "closed"


async def test_while_the_books_are_away_nothing_is_spent():
    worker = Worker()
    worker.books.away = True
    with pytest.raises(Unavailable, match="postgres"):
        await text_of(worker)
    assert worker.provider.calls == []


async def test_a_slow_answer_is_overtaken_by_a_second_one_elsewhere():
    text = TWO_MODELS + "    hedge_after_s: 0.02\n"
    worker = Worker(text=text)
    cancelled = asyncio.Event()

    async def slow(_request):
        try:
            await asyncio.sleep(30)
        finally:
            cancelled.set()

    worker.providers["a"].ask = slow
    worker.providers["b"].script(Completion(text="From b.", model="b"))
    assert await text_of(worker) == "From b."
    assert cancelled.is_set()
    assert worker.table.rows["discord:1"].calls == 2
    assert set(worker.purses.in_flight.values()) == {0}


async def test_a_quick_answer_costs_no_second_call():
    worker = Worker(text=TWO_MODELS + "    hedge_after_s: 5\n")
    await text_of(worker)
    assert worker.providers["b"].calls == []


async def test_an_admin_may_have_it_answered_anew_once():
    worker = Worker(Completion(text="Old.", model="m"), Completion(text="New.", model="m"))
    assert await text_of(worker) == "Old."
    plain = message_of(discord_question())
    anew = QuestionMessage(
        event=plain.event,
        delivery=plain.delivery,
        deadline=plain.deadline,
        last_attempt=False,
        scratch="replay 7",
    )
    for _ in range(2):
        (publish,) = await worker.handler.handle(anew)
        assert publish.event.data.text == "New."
    assert await text_of(worker) == "New."
    assert len(worker.provider.calls) == 2


async def test_a_turn_that_is_not_used_is_given_back():
    table = FakeTable()
    other = FakeAnswers(table, owner="other", lease_s=15, clock=lambda: worker.now)
    worker = Worker(text=LIMITED, table=table)
    await other.claim("discord:1")
    for _ in range(5):
        with pytest.raises(NotNow):
            await text_of(worker)
    await text_of(worker, discord_question(2))
    await text_of(worker, discord_question(3))
