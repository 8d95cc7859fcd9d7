"""A real model, when ``POSTA_TEST_LLM_URL`` names any OpenAI-compatible server."""

import os

import httpx
import pytest
from support.llm_asking import RULES, lineup
from support.questions import discord_question

from llm_worker.prompt import build_prompt
from llm_worker.providers.completion import Completion
from llm_worker.providers.http import HttpProvider
from llm_worker.providers.port import Request, Timeouts
from llm_worker.question import question_of

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif("POSTA_TEST_LLM_URL" not in os.environ, reason="POSTA_TEST_LLM_URL is not set"),
]
NOT_STREAMED = """
models: {main: {provider: main, stream: false}}
"""


@pytest.mark.parametrize("text", ["", NOT_STREAMED], ids=["streamed", "in one piece"])
async def test_it_answers_a_question_within_the_tokens_that_were_reserved(text):
    settings = {
        "base_url": os.environ["POSTA_TEST_LLM_URL"],
        "api_key": os.environ.get("POSTA_TEST_LLM_KEY", ""),
        "model": os.environ.get("POSTA_TEST_LLM_MODEL", "default"),
    }
    (model,) = lineup(text, **settings).models.values()
    prompt = build_prompt(question_of(discord_question(text="Which colour has the sky?").data), RULES)
    limits = Timeouts(first_token_s=120, between_tokens_s=60, total_s=240)
    async with httpx.AsyncClient() as client:
        result = await HttpProvider(client, model).ask(
            Request(prompt=prompt, max_tokens=1000, timeouts=limits)
        )
    assert isinstance(result.verdict, Completion), result.verdict
    assert result.verdict.text.strip()
