"""The worker's provider against the LLM look-alike: the two must agree on the protocol."""

import httpx
import pytest
from support.llm_asking import RULES, lineup
from support.questions import discord_question
from support.sandbox_server import sandbox_server

from llm_worker.prompt import build_prompt
from llm_worker.providers.completion import Completion, Failed, Outcome
from llm_worker.providers.http import HttpProvider
from llm_worker.providers.port import Request
from llm_worker.question import question_of
from posta.errors import NotNow, Permanent, Transient
from posta_sandbox.rules import LlmLimits

pytestmark = pytest.mark.integration


@pytest.fixture
def sandbox():
    with sandbox_server() as running:
        running.world.llm.settings.latency_s = 0.0
        yield running


async def result_of(sandbox, *, timeout_s=5.0, text="", **fields):
    settings = {"base_url": f"{sandbox.url}/llm/v1", "api_key": "any", **fields}
    (model,) = lineup(text, **settings).models.values()
    prompt = build_prompt(question_of(discord_question(text="Why is the sky blue?").data), RULES)
    request = Request(prompt=prompt, max_tokens=150, timeouts=model.timeouts.within(timeout_s))
    async with httpx.AsyncClient() as client:
        return await HttpProvider(client, model).ask(request)


async def ask(sandbox, **fields):
    """The completion, or its failure raised."""
    verdict = (await result_of(sandbox, **fields)).verdict
    if isinstance(verdict, Failed):
        raise verdict.failure
    assert isinstance(verdict, Completion)
    return verdict


async def test_an_answer_is_read_with_its_usage(sandbox):
    found = await ask(sandbox)
    assert "Why is the sky blue?" in found.text
    assert found.finish_reason == "stop"
    assert found.tokens_in
    assert found.tokens_out


async def test_its_rate_limit_is_waited_out_as_told(sandbox):
    sandbox.world.llm.limits = LlmLimits(rpm=1, window_s=30)
    await ask(sandbox)
    with pytest.raises(NotNow) as caught:
        await ask(sandbox)
    assert 20 < caught.value.wait_s <= 30


async def test_a_request_over_the_token_limit_is_never_repeated(sandbox):
    sandbox.world.llm.limits = LlmLimits(tpm=5)
    with pytest.raises(Permanent, match="413"):
        await ask(sandbox)


async def test_a_missing_key_is_named(sandbox):
    with pytest.raises(Permanent, match="POSTA_LLM__API_KEY"):
        await ask(sandbox, api_key="")


async def test_an_unknown_model_is_named(sandbox):
    sandbox.world.llm.settings.models = ["other"]
    with pytest.raises(Permanent, match="model_not_found"):
        await ask(sandbox)


@pytest.mark.parametrize(
    ("fault", "failure", "reason"),
    [
        pytest.param({"kind": "429", "retry_after": 7}, NotNow, "429", id="429"),
        pytest.param({"kind": "5xx", "status": 503}, Transient, "503", id="503"),
        pytest.param({"kind": "reset"}, Transient, "connection .* broke", id="reset"),
        pytest.param({"kind": "truncated"}, Transient, "broke off", id="truncated"),
        pytest.param({"kind": "lost_answer"}, Transient, "connection .* broke", id="the answer is lost"),
        pytest.param({"kind": "hang"}, Transient, "did not (begin to )?answer in 0.5 s", id="hang"),
    ],
)
async def test_each_fault_of_the_sandbox_is_the_failure_it_imitates(sandbox, fault, failure, reason):
    sandbox.strike("llm", {**fault, "count": 1})
    with pytest.raises(failure, match=reason):
        await ask(sandbox, timeout_s=0.5 if fault["kind"] == "hang" else 5.0)
    await ask(sandbox)


@pytest.mark.parametrize(
    ("oddity", "outcome"),
    [
        ("html", Outcome.NOT_JSON),
        ("truncated", Outcome.TRUNCATED),
        ("empty_choices", Outcome.NO_CHOICES),
        ("null_content", Outcome.NO_CONTENT),
        ("tool_calls", Outcome.TOOL_CALLS),
        ("refusal", Outcome.CONTENT_REFUSED),
        ("error_inside", Outcome.NO_CHOICES),
    ],
)
async def test_an_odd_answer_has_a_name(sandbox, oddity, outcome):
    sandbox.world.llm.settings.oddity = oddity
    verdict = (await result_of(sandbox)).verdict
    assert isinstance(verdict, Failed)
    assert verdict.outcome is outcome


@pytest.mark.parametrize("oddity", ["wrong_usage", "wrong_model"])
async def test_an_answer_that_is_odd_and_useful_is_used(sandbox, oddity):
    sandbox.world.llm.settings.oddity = oddity
    found = await ask(sandbox)
    assert found.oddities == (oddity,)
    assert "Why is the sky blue?" in found.text


async def test_a_generation_that_stalls_is_cut_long_before_the_whole_calls_time(sandbox):
    sandbox.world.llm.settings.stall_after_words = 3
    text = "models: {main: {provider: main, timeouts: {between_tokens_s: 0.3}}}"
    verdict = (await result_of(sandbox, text=text)).verdict
    assert isinstance(verdict, Failed)
    assert verdict.outcome is Outcome.TIMEOUT
    assert "stalled" in str(verdict.failure)


@pytest.mark.parametrize(("form", "window"), [("groq", "rpd"), ("openai", "rpm")])
async def test_limits_are_learned_from_the_headers_of_each_form(sandbox, form, window):
    sandbox.world.llm.limits = LlmLimits(rpm=40, rpd=900, tpm=7000, form=form)
    told = {one.window: one for one in (await result_of(sandbox)).told.limits}
    assert set(told) == {window, "tpm"}
    assert told[window].limit == (900 if form == "groq" else 40)
    assert told[window].remaining == told[window].limit - 1
    assert told["tpm"].remaining < 7000
