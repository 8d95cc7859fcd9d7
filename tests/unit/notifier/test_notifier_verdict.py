import pytest

from notifier.discord.verdict import (
    CONTENT_REFUSED_CODES,
    MISCONFIGURED_RETRY_S,
    TARGET_GONE_CODES,
    TRANSIENT_CODES,
    Answer,
    Blocked,
    Closed,
    Delivered,
    Gone,
    Refused,
    Retry,
    Unknown,
    judge,
    seconds,
)


def answer(status, body=None, **headers):
    return Answer(status=status, headers={k.replace("_", "-"): str(v) for k, v in headers.items()}, body=body)


def error(code):
    return {"code": code, "message": "No."}


@pytest.mark.parametrize(
    ("given", "age_s", "kind"),
    [
        pytest.param(answer(200, {"id": "7"}), None, Delivered, id="saved"),
        pytest.param(answer(204), None, Delivered, id="done without a body"),
        pytest.param(answer(404, error(10015)), 2, Retry, id="a race right after the defer"),
        pytest.param(answer(404, error(10015)), 11, Gone, id="a token that was never accepted"),
        pytest.param(answer(404, error(10015)), None, Gone, id="a deleted webhook"),
        pytest.param(answer(401, error(50027)), 2, Gone, id="an expired token"),
        pytest.param(answer(404, error(10008)), 2, Gone, id="the person dismissed the message"),
        pytest.param(answer(404, error(10062)), 2, Gone, id="an unknown interaction"),
        pytest.param(answer(400, error(40060)), 2, Retry, id="already acknowledged: the edit goes on"),
        pytest.param(answer(400, error(40094)), 2, Gone, id="follow-ups used up"),
        pytest.param(answer(400, error(50035)), 2, Refused, id="invalid form"),
        pytest.param(answer(400, error(50006)), 2, Refused, id="empty message"),
        pytest.param(answer(413), 2, Refused, id="too large"),
        pytest.param(answer(400, error(999999)), 2, Refused, id="an unknown fault of the request"),
        pytest.param(answer(403, error(999999)), 2, Gone, id="an unknown refusal"),
        pytest.param(answer(401), 2, Gone, id="unauthorised without a code"),
        pytest.param(answer(405), 2, Gone, id="an unknown 4xx"),
        pytest.param(answer(408), 2, Retry, id="request timeout"),
        pytest.param(answer(403, error(40333)), 2, Retry, id="user agent refused"),
        pytest.param(answer(400, error(130000)), 2, Retry, id="overloaded"),
        pytest.param(answer(500), 2, Unknown, id="internal error"),
        pytest.param(answer(502, "<html>"), 2, Unknown, id="bad gateway as HTML"),
        pytest.param(answer(599), 2, Unknown, id="an unknown 5xx"),
        pytest.param(answer(302), 2, Unknown, id="a redirect decides nothing"),
        pytest.param(answer(429, "<html>error 1015"), 2, Blocked, id="blocked by Cloudflare"),
        pytest.param(answer(429, {"code": 0, "message": "You are being blocked"}), 2, Blocked, id="blocked"),
    ],
)
def test_an_answer_means(given, age_s, kind):
    assert isinstance(judge(given, token_age_s=age_s), kind)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            answer(429, {"retry_after": 64.57}, retry_after=65), Closed(65, "user"), id="the header is longer"
        ),
        pytest.param(
            answer(429, {"retry_after": 64.57}, retry_after=64),
            Closed(64.57, "user"),
            id="the body is longer",
        ),
        pytest.param(
            answer(429, {"retry_after": 1336.57}, retry_after=1337, x_ratelimit_scope="shared"),
            Closed(1337, "shared"),
            id="shared",
        ),
        pytest.param(
            answer(429, {"retry_after": 1, "global": True}), Closed(1, "global"), id="global by the body"
        ),
        pytest.param(
            answer(429, None, retry_after=3, x_ratelimit_global="true"),
            Closed(3, "global"),
            id="global by header",
        ),
        pytest.param(
            answer(429, {"retry_after": "nan"}, retry_after="inf"), Blocked(), id="senseless waits are none"
        ),
        pytest.param(answer(429, {"retry_after": -1}), Blocked(), id="a negative wait is none"),
    ],
)
def test_a_429_waits_for_the_longer_of_what_it_says(given, expected):
    assert judge(given, token_age_s=None) == expected


def test_no_code_stands_in_two_classes():
    assert not TARGET_GONE_CODES & CONTENT_REFUSED_CODES
    assert not TARGET_GONE_CODES & TRANSIENT_CODES
    assert not CONTENT_REFUSED_CODES & TRANSIENT_CODES


def test_a_refused_user_agent_waits_for_an_operator():
    assert judge(answer(403, error(40333)), token_age_s=None).after_s == MISCONFIGURED_RETRY_S


def test_the_reason_names_the_field_of_an_invalid_form_and_not_its_value():
    body = {
        "code": 50035,
        "message": "Invalid Form Body",
        "errors": {"embeds": {"0": {"title": {"_errors": [{"code": "TOO_LONG", "message": "was: SECRET"}]}}}},
    }
    reason = judge(answer(400, body), token_age_s=None).reason
    assert "embeds.0.title: TOO_LONG" in reason
    assert "SECRET" not in reason


@pytest.mark.parametrize("body", [None, [], "x", 3, {"code": "50035"}, {"code": None}, {"errors": [1]}])
def test_no_shape_of_body_breaks_it(body):
    for status in (200, 400, 404, 429, 500):
        judge(answer(status, body), token_age_s=1)


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "x", "", None, True, [], 1e400])
def test_a_senseless_wait_is_none(value):
    assert seconds(value) is None
