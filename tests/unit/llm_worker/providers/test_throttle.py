import pytest

from llm_worker.providers.throttle import DEFAULT_WAIT_S, MAX_WAIT_S, MIN_WAIT_S, throttle_wait_s

NOW = 1_767_322_800.0  # Fri, 02 Jan 2026 03:00:00 GMT
MESSAGE = "Rate limit reached for model `m` … Please try again in 5.289s. Visit us."


@pytest.mark.parametrize(
    ("headers", "message", "limit", "wait_s"),
    [
        pytest.param({"retry-after": "2"}, MESSAGE, "tokens", 2.0, id="retry-after wins over the message"),
        pytest.param({"retry-after-ms": "1500", "retry-after": "2"}, "", "", 1.5, id="finer"),
        pytest.param({"retry-after": "Fri, 02 Jan 2026 03:00:30 GMT"}, "", "", 30.0, id="a date"),
        pytest.param({"retry-after": "Fri, 02 Jan 2026 02:00:00 GMT"}, "", "", MIN_WAIT_S, id="a past date"),
        pytest.param({"retry-after": "soon"}, MESSAGE, "", 5.289, id="nonsense is passed over"),
        pytest.param({"retry-after": "nan"}, "", "", DEFAULT_WAIT_S, id="nan is no number"),
        pytest.param({"retry-after": "-5"}, "", "", DEFAULT_WAIT_S, id="a negative wait is none"),
        pytest.param({"retry-after": "0"}, "", "", MIN_WAIT_S, id="at once would be a busy loop"),
        pytest.param({"retry-after": "9999999"}, "", "", MAX_WAIT_S, id="no window is longer than a day"),
        pytest.param(
            {"x-ratelimit-reset-tokens": "7.66s", "x-ratelimit-reset-requests": "2m59.56s"},
            "", "tokens", 7.66, id="the reset of the limit that the error names",
        ),
        pytest.param(
            {
                "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2m59.56s",
                "x-ratelimit-remaining-tokens": "17", "x-ratelimit-reset-tokens": "7.66s",
            },
            "", "rate_limit", 179.56, id="the reset of the limit that is used up",
        ),
        pytest.param(
            {
                "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "3s",
                "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "9s",
            },
            "", "", 9.0, id="both used up: the longer one",
        ),
        pytest.param(
            {"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "24h"},
            MESSAGE, "", 5.289, id="a limit with something left says nothing",
        ),
        pytest.param({}, "Please try again in 1m2.5s.", "", 62.5, id="minutes in the message"),
        pytest.param({}, "try again in 20ms", "", MIN_WAIT_S, id="milliseconds in the message"),
        pytest.param({}, "slow down", "", DEFAULT_WAIT_S, id="nothing said"),
    ],
)  # fmt: skip
def test_the_wait_is_what_the_provider_said_in_the_place_that_says_it_best(headers, message, limit, wait_s):
    assert throttle_wait_s(headers, message=message, limit=limit, now=NOW) == pytest.approx(wait_s)
