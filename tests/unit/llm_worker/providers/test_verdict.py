import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_worker.providers.completion import Completion, Failed, Outcome
from llm_worker.providers.verdict import Response, judge
from posta.errors import NotNow, Permanent, Transient

JSON = {"content-type": "application/json"}


def judged(status, body, headers=JSON):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return judge(Response(status=status, headers=headers, body=raw), model="asked", now=0.0)


def completion(content="Because.", *, finish_reason="stop", **more):
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content},
        "finish_reason": finish_reason,
    }
    return {"id": "chatcmpl-1", "model": "served", "choices": [choice], **more}


def error(code=None, kind=None, message="no"):
    return {"error": {"message": message, "type": kind, "code": code}}


def test_a_completion_carries_text_model_and_usage():
    usage = {"prompt_tokens": 18, "completion_tokens": 56, "total_tokens": 74}
    assert judged(200, completion(usage=usage) | {"model": "asked-1"}) == Completion(
        text="Because.", model="asked-1", response_id="chatcmpl-1", tokens_in=18, tokens_out=56
    )


@pytest.mark.parametrize(
    "usage", [None, {}, [], {"prompt_tokens": None}, {"prompt_tokens": -1, "completion_tokens": "9"}]
)
def test_a_missing_or_odd_usage_is_no_failure(usage):
    found = judged(200, completion(usage=usage))
    assert isinstance(found, Completion)
    assert (found.tokens_in, found.tokens_out) == (None, None)


def test_an_answer_cut_at_the_token_limit_is_still_an_answer():
    found = judged(200, completion("Because of", finish_reason="length"))
    assert isinstance(found, Completion)
    assert found.finish_reason == "length"


def test_a_usage_that_cannot_be_is_named_and_not_believed():
    found = judged(200, completion(usage={"prompt_tokens": 10**9, "completion_tokens": 3}))
    assert isinstance(found, Completion)
    assert (found.tokens_in, found.tokens_out) == (None, 3)
    assert "wrong_usage" in found.oddities


@pytest.mark.parametrize(
    ("asked", "answered", "odd"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", False),
        ("meta/llama-3", "llama-3", False),
        ("gpt-4o", "something-else", True),
    ],
)
def test_an_answer_by_another_model_is_named_and_used(asked, answered, odd):
    raw = json.dumps(completion() | {"model": answered}).encode()
    found = judge(Response(status=200, headers=JSON, body=raw), model=asked, now=0.0)
    assert isinstance(found, Completion)
    assert ("wrong_model" in found.oddities) is odd


@pytest.mark.parametrize(
    ("given", "kept"),
    [("a\x00b\ud800c", "abc"), (7, "asked"), (None, "asked"), ("", "asked"), ("m" * 999, "m" * 200)],
)
def test_the_model_that_answered_is_named_so_that_it_can_be_stored(given, kept):
    found = judged(200, completion() | {"model": given})
    assert isinstance(found, Completion)
    assert found.model == kept


REFUSED_MESSAGE = {
    "choices": [{"message": {"content": None, "refusal": "I cannot"}, "finish_reason": "stop"}]
}

TOOL_MESSAGE = {
    "choices": [{"message": {"content": None, "tool_calls": [{"id": "1"}]}, "finish_reason": "tool_calls"}]
}


@pytest.mark.parametrize(
    ("status", "body", "outcome", "failure"),
    [
        pytest.param(400, error("wrong_parameter"), Outcome.REFUSED, Permanent, id="400"),
        pytest.param(
            400, error("context_length_exceeded"), Outcome.CONTEXT_TOO_LONG, Permanent, id="too long",
        ),
        pytest.param(
            400, error(None, "invalid_request_error", "prompt is too long: 9 > 8"), Outcome.CONTEXT_TOO_LONG,
            Permanent, id="too long at Anthropic",
        ),
        pytest.param(
            400, error(400, "exceed_context_size_error"), Outcome.CONTEXT_TOO_LONG, Permanent,
            id="too long at llama.cpp",
        ),
        pytest.param(200, TOOL_MESSAGE, Outcome.TOOL_CALLS, Transient, id="tool calls"),
        pytest.param(404, error("model_not_found"), Outcome.REFUSED, Permanent, id="404"),
        pytest.param(422, {"detail": "no"}, Outcome.REFUSED, Permanent, id="422"),
        pytest.param(424, error(), Outcome.REFUSED, Permanent, id="424"),
        pytest.param(400, error("content_filter"), Outcome.CONTENT_REFUSED, Permanent, id="filtered prompt"),
        pytest.param(401, error("invalid_api_key"), Outcome.UNAUTHORIZED, Permanent, id="401"),
        pytest.param(403, b"", Outcome.UNAUTHORIZED, Permanent, id="403"),
        pytest.param(413, error("rate_limit_exceeded", "tokens"), Outcome.TOO_LARGE, Permanent, id="413"),
        pytest.param(
            429, error(None, "tokens", "Request too large for m"), Outcome.TOO_LARGE, Permanent,
            id="too large for the limit, as OpenAI says it",
        ),
        pytest.param(429, error("insufficient_quota"), Outcome.QUOTA_EXHAUSTED, Permanent, id="no credit"),
        pytest.param(
            429, error("organization_usage_limit_exceeded"), Outcome.QUOTA_EXHAUSTED, Permanent,
            id="over the spend limit",
        ),
        pytest.param(429, error("rate_limit_exceeded"), Outcome.THROTTLED, NotNow, id="429"),
        pytest.param(429, b"<html>", Outcome.THROTTLED, NotNow, id="429 from a proxy"),
        pytest.param(301, b"", Outcome.REDIRECTED, Permanent, id="redirect"),
        pytest.param(408, b"", Outcome.SERVER_ERROR, Transient, id="408"),
        pytest.param(409, b"", Outcome.SERVER_ERROR, Transient, id="409"),
        pytest.param(498, b"", Outcome.SERVER_ERROR, Transient, id="groq's flex capacity"),
        pytest.param(500, error(), Outcome.SERVER_ERROR, Transient, id="500"),
        pytest.param(503, b"<html>", Outcome.SERVER_ERROR, Transient, id="503 from a proxy"),
        pytest.param(529, b"", Outcome.SERVER_ERROR, Transient, id="unusual 5xx"),
        pytest.param(200, b"<!doctype html><html>", Outcome.NOT_JSON, Transient, id="HTML"),
        pytest.param(200, b"", Outcome.NOT_JSON, Transient, id="nothing at all"),
        pytest.param(200, b'{"id":"x","choices":[{"me', Outcome.TRUNCATED, Transient, id="truncated JSON"),
        pytest.param(200, b'{"a":"\xff', Outcome.TRUNCATED, Transient, id="broken encoding"),
        pytest.param(200, {"choices": []}, Outcome.NO_CHOICES, Transient, id="empty choices"),
        pytest.param(200, {"choices": None}, Outcome.NO_CHOICES, Transient, id="null choices"),
        pytest.param(200, [1], Outcome.NO_CHOICES, Transient, id="a list"),
        pytest.param(200, error("server_error"), Outcome.NO_CHOICES, Transient, id="an error inside a 200"),
        pytest.param(200, completion(None), Outcome.NO_CONTENT, Transient, id="null content"),
        pytest.param(200, completion(" \n"), Outcome.NO_CONTENT, Transient, id="blank content"),
        pytest.param(200, {"choices": [{}]}, Outcome.NO_CONTENT, Transient, id="a choice without message"),
        pytest.param(
            200, completion("", finish_reason="length"), Outcome.CUT_OFF, Transient,
            id="length, and nothing said",
        ),
        pytest.param(
            200, completion("I can", finish_reason="content_filter"), Outcome.CONTENT_REFUSED, Permanent,
            id="filtered answer",
        ),
        pytest.param(200, REFUSED_MESSAGE, Outcome.CONTENT_REFUSED, Permanent, id="the model's own refusal"),
    ],
)  # fmt: skip
def test_each_way_to_fail_has_its_name_and_its_class(status, body, outcome, failure):
    found = judged(status, body)
    assert isinstance(found, Failed)
    assert found.outcome is outcome
    assert type(found.failure) is failure
    assert str(found.failure)


def test_a_server_error_passes_on_how_long_to_wait():
    found = judged(503, b"", {"retry-after": "7"})
    assert isinstance(found, Failed)
    assert isinstance(found.failure, Transient)
    assert found.failure.retry_after_s == 7.0


def test_a_throttled_call_waits_as_told():
    found = judged(429, error("rate_limit_exceeded"), {"retry-after": "2"})
    assert isinstance(found, Failed)
    assert isinstance(found.failure, NotNow)
    assert found.failure.wait_s == 2.0


def test_a_reason_names_the_code_and_never_quotes_the_message():
    found = judged(401, error("invalid_api_key", "auth", "Incorrect API key provided: sk-abc123"))
    assert isinstance(found, Failed)
    assert "invalid_api_key" in str(found.failure)
    assert "sk-abc123" not in str(found.failure)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "usage", "error", "code", "type", "finish_reason"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@pytest.mark.slow
@given(st.integers(200, 599), ANYTHING)
def test_no_body_surprises_the_verdict(status, body):
    assert isinstance(judged(status, body), Completion | Failed)


@given(st.integers(200, 599), st.binary(max_size=200))
def test_no_bytes_surprise_the_verdict(status, body):
    assert isinstance(judged(status, body), Completion | Failed)
