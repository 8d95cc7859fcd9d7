"""The LLM look-alike, called as an OpenAI client calls it."""

import json

import pytest

from posta_sandbox.llm.answer import answer, count_tokens, cut_to_tokens, pieces, question_of
from posta_sandbox.llm.quota import duration

URL = "/llm/v1/chat/completions"
KEY = {"authorization": "Bearer any"}


def body(question="why?", **more):
    return {"model": "m", "messages": [{"role": "user", "content": question}], **more}


async def test_the_answer_tells_which_question_was_answered(sandbox):
    response = await sandbox.http.post(URL, json=body(), headers=KEY)
    completion = response.json()
    assert completion["choices"][0]["message"]["content"] == 'Answer to "why?" [f5b2b98b]'
    assert completion["choices"][0]["finish_reason"] == "stop"
    usage = completion["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    calls = (await sandbox.http.get("/api/calls?service=llm")).json()
    assert calls[0]["hints"] == {
        "prompt": "f5b2b98b",
        "question": "why?",
        "tokens": calls[0]["hints"]["tokens"],
    }


async def test_a_stream_ends_with_usage_and_done(sandbox):
    wanted = body(stream=True, stream_options={"include_usage": True})
    response = await sandbox.http.post(URL, json=wanted, headers=KEY)
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = [line[6:] for line in response.text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])
    assert text == answer("why?")
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] > 0


async def test_the_last_user_message_is_the_question(sandbox):
    messages = [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": [{"type": "text", "text": "second"}]},
    ]
    assert question_of(messages) == "second"
    response = await sandbox.http.post(URL, json={"model": "m", "messages": messages}, headers=KEY)
    assert '"second"' in response.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"model": ""}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "pirate", "content": "x"}]}, "messages.[0].role"),
        ({"messages": [{"role": "user"}]}, "messages.[0].content"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"n": 2}, "n"),
    ],
)
async def test_a_bad_request_is_refused_in_openais_shape(sandbox, wrong, param):
    response = await sandbox.http.post(URL, json=body() | wrong, headers=KEY)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert response.json()["error"]["type"] == "invalid_request_error"


async def test_a_key_is_needed_and_a_model_must_be_known(sandbox):
    assert (await sandbox.http.post(URL, json=body())).status_code == 401
    await sandbox.http.put("/api/llm/settings", json={"models": ["other"]})
    unknown = await sandbox.http.post(URL, json=body(), headers=KEY)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")


async def test_requests_per_minute_are_enforced_with_real_429s(sandbox):
    await sandbox.http.put("/api/llm/limits", json={"rpm": 2})
    answers = [await sandbox.http.post(URL, json=body(), headers=KEY) for _ in range(3)]
    assert [r.status_code for r in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "60"
    assert answers[2].json()["error"]["code"] == "rate_limit_exceeded"
    sandbox.now[0] += 60
    assert (await sandbox.http.post(URL, json=body(), headers=KEY)).status_code == 200


async def test_tokens_per_minute_are_told_and_a_request_beyond_them_must_shrink(sandbox):
    await sandbox.http.put("/api/llm/limits", json={"tpm": 40})
    first = await sandbox.http.post(URL, json=body(), headers=KEY)
    used = first.json()["usage"]["total_tokens"]
    assert first.headers["x-ratelimit-limit-tokens"] == "40"
    assert first.headers["x-ratelimit-remaining-tokens"] == str(40 - used)
    assert first.headers["x-ratelimit-reset-tokens"] == "1m0s"
    codes = [(await sandbox.http.post(URL, json=body(), headers=KEY)).status_code for _ in "ab"]
    assert codes == [200, 429]
    big = await sandbox.http.post(URL, json=body("word " * 60), headers=KEY)
    assert (big.status_code, big.json()["error"]["code"]) == (413, "rate_limit_exceeded")
    assert "retry-after" not in big.headers


async def test_an_answer_is_cut_at_the_tokens_allowed(sandbox):
    response = await sandbox.http.post(URL, json=body(max_completion_tokens=3), headers=KEY)
    choice = response.json()["choices"][0]
    assert choice["finish_reason"] == "length"
    assert count_tokens(choice["message"]["content"]) == 3


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0ms"), (0.5775, "577.5ms"), (7.66, "7.66s"), (179.56, "2m59.56s"), (3723, "1h2m3s")],
)
def test_durations_are_written_as_go_writes_them(seconds, shown):
    assert duration(seconds) == shown


def test_long_answers_have_exactly_the_length_asked_for():
    assert len(answer("why?", at_least_chars=4321)) == 4321
    assert answer("why?", at_least_chars=3) == answer("why?")


def test_pieces_of_a_stream_put_together_are_the_text():
    text = 'Answer to "a  b\n c" [x]\n\nmore '
    assert "".join(pieces(text)) == text
    assert cut_to_tokens(text, 10_000) == text
