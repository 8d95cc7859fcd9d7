import asyncio

import pytest
from support.llm_asking import Worker
from support.questions import TOKEN, discord_question, email_question, message_of

from llm_worker.answers.claims import Answer, Busy, Notes
from llm_worker.asking.seams import EmptyDesk, Ready
from llm_worker.conversation.turn import NewTurn
from llm_worker.fakes import FakeAnswers, FakeTable
from llm_worker.providers.completion import Completion, Failed, Outcome
from llm_worker.providers.port import Result
from llm_worker.scratch import QuestionMessage
from posta import topics
from posta.domain.retry import ErrorClass
from posta.engine.message import GivenUp, Publish
from posta.errors import Expired, NotNow, Permanent, Transient, Unavailable


class World(Worker):
    """A worker with a fake provider and a fake store, at a time that a test sets."""

    async def handle(self, event=None):
        (publish,) = await self.handler.handle(message_of(event or discord_question()))
        return publish

    async def apologise(self, event, error_class=ErrorClass.PERMANENT):
        given_up = GivenUp(error_class=error_class, reason="no", error=Permanent("no"))
        return list(await self.handler.apologise(message_of(event), given_up))

    @property
    def calls(self):
        return len(self.provider.calls)


async def test_a_question_is_answered_with_one_call():
    world = World(Completion(text=" Because.\x00 ", model="m", tokens_in=5, tokens_out=2))
    publish = await world.handle()
    assert publish.topic is topics.REPLIES_READY
    assert publish.event.id == "discord:1/answer"
    assert publish.event.data.text == "Because."
    assert world.calls == 1
    assert world.table.rows["discord:1"].answer == Answer(
        text="Because.", model="m", tokens_in=5, tokens_out=2
    )


async def test_a_question_handled_again_gets_the_same_answer_for_nothing():
    world = World(Completion(text="First.", model="m"), Completion(text="Second.", model="m"))
    first = await world.handle()
    again = await world.handle()
    assert again.event.data == first.event.data
    assert world.calls == 1


async def test_a_mail_is_answered_into_its_thread():
    publish = await World().handle(email_question(3))
    assert publish.event.data.target.in_reply_to == "<m3@example.test>"


async def test_what_another_worker_is_answering_waits_for_its_lease_and_costs_nothing():
    table = FakeTable()
    other = World(table=table, owner="other")
    await other.answers.claim("discord:1")
    world = World(table=table)
    world.now += 5
    with pytest.raises(NotNow) as caught:
        await world.handle()
    assert 10 <= caught.value.wait_s < 11
    assert world.calls == 0


async def test_a_dead_workers_question_is_taken_over_after_its_lease():
    table = FakeTable()
    await World(table=table, owner="dead").answers.claim("discord:1")
    world = World(table=table)
    world.now += 15.1
    await world.handle()
    assert world.table.rows["discord:1"].calls == 2


FAILURES = [
    Failed(outcome=Outcome.SERVER_ERROR, failure=Transient("503")),
    Failed(outcome=Outcome.REFUSED, failure=Permanent("400")),
]


@pytest.mark.parametrize("failed", FAILURES)
async def test_a_failed_call_frees_the_claim_so_that_any_worker_may_try_next(failed):
    table = FakeTable()
    with pytest.raises(type(failed.failure)):
        await World(failed, table=table, owner="first").handle()
    await World(table=table, owner="second").handle()
    assert table.rows["discord:1"].calls == 2


async def test_an_answer_with_nothing_to_show_is_tried_again():
    with pytest.raises(Transient, match="nothing that can be shown"):
        await World(Completion(text="\u202e\x00", model="m")).handle()


async def test_without_the_store_no_call_is_begun():
    world = World()
    world.answers.away = True
    with pytest.raises(Unavailable):
        await world.handle()
    assert world.calls == 0


async def test_an_answer_paid_for_while_the_store_went_away_is_kept_and_stored_later():
    world = World(Completion(text="Paid.", model="m"))
    go_away_during_call(world)
    with pytest.raises(Unavailable):
        await world.handle()
    with pytest.raises(Unavailable):
        await world.handle()
    world.answers.away = False
    publish = await world.handle()
    assert publish.event.data.text == "Paid."
    assert world.calls == 1
    assert world.table.rows["discord:1"].answer is not None


async def test_a_kept_answer_loses_to_that_of_a_worker_who_took_over():
    world = World(Completion(text="Mine.", model="m"))
    go_away_during_call(world)
    with pytest.raises(Unavailable):
        await world.handle()
    world.answers.away = False
    other = World(Completion(text="Theirs.", model="m"), table=world.table, owner="other")
    other.now = world.now = world.now + 16
    await other.handle()
    assert (await world.handle()).event.data.text == "Theirs."
    assert world.calls == 1


def go_away_during_call(world):
    ask = world.provider.ask

    async def then_away(request):
        world.answers.away = True
        return await ask(request)

    world.provider.ask = then_away


async def test_a_worker_that_was_frozen_cannot_overwrite_the_answer_of_the_next():
    table = FakeTable()
    zombie = World(Completion(text="Late.", model="m"), table=table, owner="zombie")
    heir = World(Completion(text="In time.", model="m"), table=table, owner="heir")
    ask = zombie.provider.ask

    async def freeze(request):
        heir.now += 16
        await heir.handle()
        return await ask(request)

    zombie.provider.ask = freeze
    with pytest.raises(NotNow, match="took this over"):
        await zombie.handle()
    assert table.rows["discord:1"].answer.text == "In time."
    assert (await zombie.handle()).event.data.text == "In time."
    assert zombie.calls == 1


async def test_a_lease_is_renewed_while_the_call_runs():
    world = World(lease_s=0.03)
    begun = world.now

    async def slow(_request):
        world.now += 10
        await asyncio.sleep(0.05)
        return Result(verdict=Completion(text="Slow.", model="m"))

    world.provider.ask = slow
    await world.handle()
    assert world.table.rows["discord:1"].lease_until == begun + 10 + 15


async def test_a_cancelled_call_frees_its_claim():
    world = World()
    begun = asyncio.Event()

    async def hang(request):
        begun.set()
        await asyncio.sleep(request.timeouts.total_s)
        raise AssertionError("was not cancelled")

    world.provider.ask = hang
    task = asyncio.create_task(world.handle())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    other = FakeAnswers(world.table, owner="other", lease_s=15, clock=lambda: world.now)
    assert not isinstance(await other.claim("discord:1"), Busy)


@pytest.mark.parametrize(
    ("life_s", "timeout_s"),
    [
        pytest.param(840, 60, id="the whole time-out"),
        pytest.param(40, 25, id="what the deadline leaves"),
    ],
)
async def test_a_call_may_take_what_the_deadline_leaves_after_delivery(life_s, timeout_s):
    world = World()
    await world.handle(discord_question(life_s=life_s))
    assert world.provider.calls[0].timeouts.total_s == pytest.approx(timeout_s)


async def test_a_question_too_old_to_be_answered_in_time_is_expired_unpaid():
    world = World()
    with pytest.raises(Expired):
        await world.handle(discord_question(life_s=15.5))
    assert world.calls == 0


async def test_an_answer_already_paid_for_is_delivered_however_late():
    world = World()
    await world.handle(discord_question(life_s=100))
    world.now += 90
    assert (await world.handle(discord_question(life_s=100))).event.data.kind == "answer"


async def test_who_is_given_up_gets_an_apology():
    (publish,) = await World().apologise(discord_question(locale="es-ES"))
    assert publish.topic is topics.REPLIES_READY
    assert publish.event.id == "discord:1/apology"
    assert publish.event.data.kind == "apology"


async def test_an_expired_interaction_gets_none_because_its_token_is_dead():
    world = World()
    world.now += 900
    assert await world.apologise(discord_question(), ErrorClass.EXPIRED) == []


async def test_an_interaction_given_up_before_its_token_dies_still_gets_one():
    assert len(await World().apologise(discord_question(), ErrorClass.EXPIRED)) == 1


async def test_a_reply_shows_its_token_only_on_the_wire():
    publish = await World().handle()
    assert TOKEN not in repr(publish)
    assert TOKEN in publish.event.data.model_dump_json()


class RememberingDesk(EmptyDesk):
    """Remembers every answer, and what it was told of the conversation."""

    def __init__(self):
        self.told = []

    def notes(self, event, question, answer):
        turn = NewTurn(
            conversation=event.key, person="p", language=question.language, event_id=event.id,
            question=question.whole, answer=answer.text, tokens=7,
        )  # fmt: skip
        return Notes(turn=turn)

    def stored(self, event, *, open_tokens):
        self.told.append((event.id, open_tokens))


async def test_an_answer_is_remembered_as_it_is_stored_and_the_desk_learns_of_it():
    world = World(Completion(text="Because.", model="m"), desk=RememberingDesk())
    await world.handle()
    await world.handle(discord_question(2, key=discord_question().key))
    assert [turn.answer for turn in world.table.turns.values()] == ["Because.", "An answer."]
    assert world.handler._desk.told == [("discord:1", 7), ("discord:2", 14)]


async def test_a_kept_answer_is_remembered_too_once_it_is_stored():
    world = World(Completion(text="Paid.", model="m"), desk=RememberingDesk())
    go_away_during_call(world)
    with pytest.raises(Unavailable):
        await world.handle()
    assert world.table.turns == {}
    world.answers.away = False
    await world.handle()
    assert [turn.answer for turn in world.table.turns.values()] == ["Paid."]
    assert world.handler._desk.told == [("discord:1", 7)]


async def test_of_an_answer_that_was_found_nothing_is_noted_again():
    world = World(Completion(text="Theirs.", model="m"), desk=RememberingDesk())
    await world.handle()
    again = World(table=world.table, owner="other", desk=RememberingDesk())
    await again.handle()
    assert (again.calls, again.handler._desk.told, len(world.table.turns)) == (0, [], 1)


class LettingGoDesk(EmptyDesk):
    """Notes who waits for no answer any more; its database may be away."""

    def __init__(self, *, away=False):
        self.away, self.let_go = away, []

    async def unanswered(self, event):
        if self.away:
            raise Unavailable("postgres", "away")
        self.let_go.append(event.id)


async def test_whoever_waits_for_the_answer_to_a_question_given_up_is_let_go():
    world = World(desk=LettingGoDesk())
    assert len(await world.apologise(discord_question(), ErrorClass.PERMANENT)) == 1
    assert world.handler._desk.let_go == ["discord:1"]


async def test_an_apology_needs_no_database():
    world = World(desk=LettingGoDesk(away=True))
    assert len(await world.apologise(discord_question(), ErrorClass.PERMANENT)) == 1


class OneAnswerDesk(EmptyDesk):
    """Has an answer and something beside it, but none to a replay from scratch."""

    def __init__(self):
        self.routes = []

    async def ready(self, event, question, route, *, scratch):
        self.routes.append(route.name)
        if scratch is not None:
            return None
        beside = Publish(topic=topics.EVENTS_PUBLISHED, event=event)
        return Ready(answer=Answer(text="Known.", model="desk"), beside=(beside,))


async def test_what_the_desk_knows_is_published_with_what_stands_beside_it_and_costs_nothing():
    desk = OneAnswerDesk()
    world = World(desk=desk)
    reply, beside = await world.handler.handle(message_of(discord_question()))
    assert reply.event.data.text == "Known."
    assert beside.topic is topics.EVENTS_PUBLISHED
    assert (world.calls, world.table.rows, desk.routes) == (0, {}, ["everything"])


async def test_a_replay_from_scratch_is_told_to_the_desk_and_asks_the_model():
    world = World(Completion(text="New.", model="m"), desk=OneAnswerDesk())
    plain = message_of(discord_question())
    scratched = QuestionMessage(
        event=plain.event, delivery=plain.delivery, deadline=plain.deadline, last_attempt=False, scratch="r1"
    )
    (reply,) = await world.handler.handle(scratched)
    assert reply.event.data.text == "New."
    assert world.calls == 1
