import pytest

from llm_worker.providers.told import Form, LimitTold, form_of, limits_in_message, limits_told

GROQ = {
    "x-ratelimit-limit-requests": "14400",
    "x-ratelimit-remaining-requests": "14370",
    "x-ratelimit-reset-requests": "2m59.56s",
    "x-ratelimit-limit-tokens": "18000",
    "x-ratelimit-remaining-tokens": "17997",
    "x-ratelimit-reset-tokens": "7.66s",
}


def test_groqs_requests_are_of_the_day_and_its_tokens_of_the_minute():
    assert limits_told(GROQ, Form.GROQ, now=0.0) == (
        LimitTold(window="rpd", limit=14400, remaining=14370, reset_s=179.56),
        LimitTold(window="tpm", limit=18000, remaining=17997, reset_s=7.66),
    )


def test_openais_are_both_of_the_minute():
    assert [one.window for one in limits_told(GROQ, Form.OPENAI, now=0.0)] == ["rpm", "tpm"]


def test_groqs_headers_are_known_again_behind_another_address():
    assert form_of({"x-groq-region": "us"}, Form.OPENAI) is Form.GROQ
    assert form_of({}, Form.OPENAI) is Form.OPENAI


def test_anthropics_tell_when_a_limit_is_whole_again_as_a_date():
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-01-02T03:00:30Z",
    }
    (told,) = limits_told(headers, Form.ANTHROPIC, now=1_767_322_800.0)
    assert told == LimitTold(window="rpm", limit=50, remaining=49, reset_s=30.0)


@pytest.mark.parametrize("odd", ["-1", "0", "", "many", "1e9", "9" * 40])
def test_a_limit_that_cannot_be_says_nothing(odd):
    assert limits_told({"x-ratelimit-limit-tokens": odd}, Form.OPENAI, now=0.0) == ()


def test_the_text_of_a_refusal_names_the_limit_that_no_header_does():
    said = "Rate limit reached for model `m` on requests per minute (RPM): Limit 30, Used 30. Please …"
    assert limits_in_message(said) == (LimitTold(window="rpm", limit=30),)
    assert limits_in_message("slow down") == ()
