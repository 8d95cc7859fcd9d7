from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.dead_letters import HEADERS, TRACE_ID, headers, record

from dlq_admin.reading import read_record, trace_id_of


def test_the_story_of_a_dead_letter_is_read_from_its_headers():
    reading = read_record(record(7, partition=3))
    assert (reading.group, reading.topic, reading.partition, reading.offset) == (
        "llm-worker",
        "llm-worker.dlq",
        3,
        7,
    )
    assert (reading.original_topic, reading.original_partition, reading.original_offset) == (
        "discord.interactions",
        2,
        41,
    )
    assert reading.event_id == "discord:1001"
    assert reading.error_class == "transient"
    assert reading.attempts == 6
    assert reading.first_failure == datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
    assert reading.trace_id == TRACE_ID


def test_a_record_without_headers_is_its_own_origin():
    reading = read_record(record(7, headers=()))
    assert (reading.original_topic, reading.original_offset, reading.attempts) == ("llm-worker.dlq", 7, 1)
    assert reading.event_id is None
    assert reading.reason is None
    assert reading.trace_id is None


def test_the_group_is_the_topic_s_whatever_a_header_claims():
    reading = read_record(record(topic="notifier.dlq", headers=headers(posta_group="llm-worker")))
    assert reading.group == "notifier"


@pytest.mark.parametrize("number", ["x", "", "-5", "9" * 30, "9" * 5000, "1.5", "٣٤"])
def test_numbers_that_are_none_or_too_large_stop_nothing(number):
    names = ("original_partition", "original_offset", "original_timestamp", "attempt", "redrive",
             "first_failure", "last_failure", "not_before", "lane_due")  # fmt: skip
    reading = read_record(record(headers=headers(**{f"posta_{name}": number for name in names})))
    assert 0 <= reading.original_partition < 2**31
    assert 0 <= reading.original_offset < 2**63
    assert 0 <= reading.redrive < 2**31


@pytest.mark.parametrize(
    ("traceparent", "expected"),
    [
        (f"00-{TRACE_ID}-00f067aa0ba902b7-01", TRACE_ID),
        (f"cc-{TRACE_ID}-00f067aa0ba902b7-01-what-the-future-may-bring", TRACE_ID),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE_ID.upper()}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE_ID}", None),
        ("<script>", None),
        ("", None),
    ],
)
def test_the_trace_id_is_a_valid_one_or_none(traceparent, expected):
    assert trace_id_of((("traceparent", traceparent.encode()),)) == expected


def test_the_last_traceparent_counts():
    first = ("traceparent", f"00-{'1' * 32}-00f067aa0ba902b7-01".encode())
    assert trace_id_of((first, *headers())) == TRACE_ID


def test_credentials_in_a_reason_are_not_indexed():
    reading = read_record(record(headers=headers(posta_reason="POST /webhooks/1/s3cret-token failed")))
    assert reading.reason == "POST /webhooks/1/[redacted] failed"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(HEADERS)) | st.text(),
            st.binary() | st.integers().map(lambda n: str(n).encode()) | st.just(b"\x00" * 9000),
        )
    ).map(tuple),
    st.integers(-(2**63), 2**63 - 1),
)
def test_any_headers_give_an_entry_that_fits_the_database(made, timestamp_ms):
    reading = read_record(record(headers=made, timestamp_ms=timestamp_ms))
    for name in reading.__slots__:
        value = getattr(reading, name)
        if isinstance(value, str):
            assert "\x00" not in value
            assert len(value) <= 8000
            value.encode()
    for indexed in (reading.event_id, reading.fingerprint):
        assert len((indexed or "").encode()) <= 2000
