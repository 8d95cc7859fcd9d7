"""What a test can make the LLM look-alike do: count like Groq or OpenAI, stall, answer oddly."""

import json

import pytest

from posta_sandbox.llm.quota import Quota
from posta_sandbox.rules import LlmLimits

URL = "/llm/v1/chat/completions"
KEY = {"authorization": "Bearer any"}


def body(question="why?", **more):
    return {"model": "m", "messages": [{"role": "user", "content": question}], **more}


def taken(quota, limits, *times, tokens=1):
    return [quota.take(limits, tokens=tokens, model="m", now=now) is None for now in times]


def test_a_fixed_window_forgets_at_once_what_a_sliding_one_forgets_bit_by_bit():
    times = (0.0, 50.0, 61.0, 62.0)
    assert taken(Quota(), LlmLimits(rpm=2), *times) == [True, True, True, True]
    assert taken(Quota(), LlmLimits(rpm=2, counts="sliding"), *times) == [True, True, True, False]


def test_a_sliding_window_says_exactly_when_there_is_room_again():
    quota, limits = Quota(), LlmLimits(rpm=2, counts="sliding")
    taken(quota, limits, 0.0, 50.0)
    refused = quota.take(limits, tokens=1, model="m", now=55.0)
    assert refused.retry_after_s == pytest.approx(5.0)
    assert "requests per minute (RPM): Limit 2, Used 2" in refused.message


def test_tokens_of_a_day_are_limited_too():
    assert taken(Quota(), LlmLimits(tpd=10), 0.0, 7200.0, tokens=6) == [True, False]


def test_calls_at_once_are_limited_while_they_run():
    quota, limits = Quota(), LlmLimits(concurrency=1)
    quota.running = 1
    assert quota.take(limits, tokens=1, model="m", now=0.0).status == 429
    quota.running = 0
    assert quota.take(limits, tokens=1, model="m", now=0.0) is None


def test_groqs_headers_speak_of_the_day_and_openais_of_the_minute():
    quota = Quota()
    groq, openai = LlmLimits(rpm=3, rpd=9), LlmLimits(rpm=3, rpd=9, form="openai")
    taken(quota, groq, 0.0)
    assert quota.headers(groq, 0.0)["x-ratelimit-remaining-requests"] == "8"
    assert "x-groq-region" in quota.headers(groq, 0.0)
    assert quota.headers(openai, 0.0)["x-ratelimit-remaining-requests"] == "2"
    assert "x-groq-region" not in quota.headers(openai, 0.0)


def test_a_request_larger_than_a_minutes_tokens_is_413_at_groq_and_429_at_openai():
    assert Quota().take(LlmLimits(tpm=5), tokens=6, model="m", now=0.0).status == 413
    assert Quota().take(LlmLimits(tpm=5, form="openai"), tokens=6, model="m", now=0.0).status == 429


@pytest.mark.parametrize(
    ("oddity", "is_odd"),
    [
        ("html", lambda r: "<h1>" in r.text),
        ("truncated", lambda r: r.text.startswith("{") and not r.text.endswith("}")),
        ("empty_choices", lambda r: r.json()["choices"] == []),
        ("null_content", lambda r: r.json()["choices"][0]["message"]["content"] is None),
        ("wrong_usage", lambda r: r.json()["usage"]["prompt_tokens"] == -1),
        ("wrong_model", lambda r: r.json()["model"] != "m"),
        ("tool_calls", lambda r: r.json()["choices"][0]["message"]["tool_calls"]),
        ("refusal", lambda r: r.json()["choices"][0]["message"]["refusal"]),
        ("error_inside", lambda r: "error" in r.json()),
    ],
)
async def test_only_the_questions_that_match_are_answered_oddly(sandbox, oddity, is_odd):
    wanted = {"oddity": oddity, "oddity_match": "odd", "latency_s": 0}
    assert (await sandbox.http.put("/api/llm/settings", json=wanted)).status_code == 200
    answer = await sandbox.http.post(URL, json=body("odd?"), headers=KEY)
    assert answer.status_code == 200
    assert is_odd(answer)
    plain = await sandbox.http.post(URL, json=body("even?"), headers=KEY)
    assert plain.json()["choices"][0]["message"]["content"].startswith('Answer to "even?"')


async def test_a_stream_may_stand_still_in_the_middle(sandbox):
    await sandbox.http.put(
        "/api/llm/settings", json={"latency_s": 0, "stall_after_words": 2, "stall_s": 0.01, "token_s": 0.001}
    )
    answer = await sandbox.http.post(URL, json=body(stream=True), headers=KEY)
    words = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line.startswith("data: {")]
    assert len(words) > 3
