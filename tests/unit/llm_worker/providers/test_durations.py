import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_worker.providers.durations import parse_duration_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("2", 2.0, id="plain seconds"),
        pytest.param("0", 0.0, id="nothing"),
        pytest.param("1.", 1.0, id="a dot without decimals"),
        pytest.param(".5", 0.5, id="decimals without a whole"),
        pytest.param(" 2 ", 2.0, id="space around it"),
        pytest.param("7.66s", 7.66, id="groq's reset-tokens"),
        pytest.param("2m59.56s", 179.56, id="groq's reset-requests"),
        pytest.param("577.5ms", 0.5775, id="milliseconds are not minutes"),
        pytest.param("1h2m3s", 3723.0, id="all units"),
        pytest.param("6m0s", 360.0, id="openai's form"),
        pytest.param("12ms", 0.012, id="openai's short form"),
        pytest.param("100us", 1e-4, id="microseconds"),
        pytest.param("100µs", 1e-4, id="microseconds with a micro sign"),
        pytest.param("100\u03bcs", 1e-4, id="microseconds with a Greek mu"),
        pytest.param("50ns", 5e-8, id="nanoseconds"),
        pytest.param("1m1m", 120.0, id="units repeat, as Go allows"),
    ],
)
def test_a_duration_is_read_in_seconds(text, seconds):
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", " ", "nan", "inf", "-1", "-1s", "+1", "1e5", "1e999", "s", "1 s", "1h 2m", "1d", "1sx", "x1s",
     "1.2.3s", "٣s", "²", "Fri, 02 Jan 2026 03:04:05 GMT", "9" * 400, "1h" * 400],
)  # fmt: skip
def test_what_is_no_duration_is_not_guessed(text):
    assert parse_duration_s(text) is None


@given(st.text(max_size=200))
def test_no_text_raises_or_gives_a_number_that_cannot_be_waited(text):
    seconds = parse_duration_s(text)
    assert seconds is None or (math.isfinite(seconds) and seconds >= 0)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59_999))
def test_what_go_writes_is_read_back(hours, minutes, milliseconds):
    text = f"{hours}h{minutes}m{milliseconds / 1000:g}s"
    assert parse_duration_s(text) == pytest.approx(
        hours * 3600 + minutes * 60 + milliseconds / 1000, abs=0.01
    )
