"""Models, limits, routes and budgets that change while the worker runs."""

import pytest
from support.llm_asking import RULES, TWO_MODELS, Worker, lineup
from support.questions import discord_question, message_of

from llm_worker.asking.seams import EmptyDesk, PlainPrompts
from llm_worker.fakes import FakeProvider
from llm_worker.live_rules import FromFiles, LiveRules
from llm_worker.providers.completion import Completion
from posta.errors import ConfigurationError, NotNow, Unavailable

ONE = """
models: {{a: {{provider: main, limits: {{rpm: {rpm}}}}}}}
routes: [{{name: all, choices: [{{model: a}}]}}]
"""
FOR_B = """
providers: {one: {base_url: http://one.example/v1}, two: {base_url: http://two.example/v1}}
models: {b: {provider: two, name: b}}
routes: [{name: all, choices: [{model: b}]}]
"""


async def text_of(worker, number=1):
    (publish,) = await worker.handler.handle(message_of(discord_question(number)))
    return publish.event.data.text


def use(worker, text, providers=None):
    now = lineup(text)
    worker.purses.use(now)
    worker.asker.use(providers or {})
    worker.handler.use(now, EmptyDesk())


async def test_another_route_and_model_are_used_from_the_next_question_on():
    worker = Worker(text=TWO_MODELS)
    await text_of(worker, 1)
    use(worker, FOR_B, {"b": FakeProvider(Completion(text="From b.", model="b"))})
    assert await text_of(worker, 2) == "From b."
    assert len(worker.providers["a"].calls) == 1


async def test_a_turn_had_at_a_model_that_is_gone_is_still_taken_there():
    worker = Worker(text=TWO_MODELS)
    ask = worker.answers.claim

    async def meanwhile(event_id, **given):
        use(worker, FOR_B, {"b": FakeProvider()})
        return await ask(event_id, **given)

    worker.answers.claim = meanwhile
    assert await text_of(worker) == "An answer."
    assert len(worker.providers["a"].calls) == 1
    assert worker.purses.in_flight == {"b": 0}


async def test_a_raised_limit_lets_more_through_at_once():
    worker = Worker(text=ONE.format(rpm=1))
    await text_of(worker, 1)
    with pytest.raises((NotNow, Unavailable)):
        await text_of(worker, 2)
    use(worker, ONE.format(rpm=2))
    assert await text_of(worker, 2) == "An answer."


async def test_a_budget_counts_from_the_next_question_on():
    worker = Worker(text=ONE.format(rpm=10))
    await text_of(worker, 1)
    use(worker, ONE.format(rpm=10) + "budget: {daily: {tokens: 0}}")
    assert "tomorrow" in await text_of(worker, 2)


async def test_while_an_old_model_is_full_a_new_one_is_not_held_back():
    worker = Worker(text=ONE.format(rpm=1))
    await text_of(worker, 1)
    with pytest.raises((NotNow, Unavailable)):
        await text_of(worker, 2)
    assert worker.purses.is_full_everywhere()
    use(worker, FOR_B, {"b": FakeProvider()})
    assert not worker.purses.is_full_everywhere()


async def test_another_instruction_and_another_last_look_are_used_from_the_next_question_on():
    worker = Worker(text=TWO_MODELS)
    await text_of(worker, 1)
    rules = RULES.model_copy(update={"system": {"en": "Be kind. <question>", "es": "<question>"}})
    worker.handler.use(
        worker.lineup,
        EmptyDesk(),
        prompts=PlainPrompts(rules),
        finish=lambda text, _prompt, _language: text.upper(),
    )
    assert await text_of(worker, 2) == "AN ANSWER."
    first, second = worker.providers["a"].calls
    assert "Be kind." not in first.prompt.system
    assert "Be kind." in second.prompt.system


class TestLiveRules:
    def live(self, text, **given):
        used = []
        live = LiveRules(
            lambda: FromFiles(lineup=lineup(text), faq=None, prompts=None),
            lambda now: used.append(now.lineup.routes[0].name),
            **given,
        )
        return live, used

    def test_rules_that_are_right_are_put_in_force(self):
        live, used = self.live(TWO_MODELS, handling_s=120)
        live.reload()
        assert used == ["all"]

    def test_longer_calls_than_the_process_allows_need_a_restart(self):
        live, used = self.live(TWO_MODELS, handling_s=119)
        with pytest.raises(ConfigurationError, match="may now take 120 s.*restart llm-worker"):
            live.reload()
        assert used == []
