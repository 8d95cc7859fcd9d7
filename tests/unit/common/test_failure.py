"""Failure headers: they come back as they were, never touch the original, never leak a secret."""

from hypothesis import given
from hypothesis import strategies as st

from posta.domain.failure import (
    Delivery,
    Origin,
    delivery_headers,
    error_headers,
    failed,
    fingerprint,
    read_delivery,
    with_headers,
)
from posta.domain.retry import ErrorClass

ORIGINS = st.builds(
    Origin,
    topic=st.text("abc.-", min_size=1, max_size=9),
    partition=st.integers(0, 99),
    offset=st.integers(0, 10**12),
    timestamp_ms=st.integers(0, 10**13),
)
DELIVERIES = st.builds(
    Delivery,
    origin=ORIGINS,
    attempt=st.integers(1, 99),
    first_failure_ms=st.none() | st.integers(1, 10**13),
    last_failure_ms=st.none() | st.integers(1, 10**13),
    not_before=st.integers(0, 10**13).map(lambda ms: ms / 1000),
    lane_due=st.integers(0, 10**13).map(lambda ms: ms / 1000),
    redrive=st.integers(0, 5),
)
FRESH = {"topic": "t", "partition": 1, "offset": 2, "timestamp_ms": 3}


def raised(message: str) -> Exception:
    try:
        raise RuntimeError(message)
    except RuntimeError as exc:
        return exc


def encoded(fields):
    return tuple((name, text.encode()) for name, text in fields.items())


@given(DELIVERIES)
def test_a_delivery_comes_back_from_its_headers(delivery):
    assert read_delivery(**FRESH, headers=encoded(delivery_headers(delivery))) == delivery


def test_a_fresh_record_is_its_own_origin_at_attempt_one():
    delivery = read_delivery(**FRESH, headers=())
    assert delivery == Delivery(origin=Origin(topic="t", partition=1, offset=2, timestamp_ms=3), attempt=1)


@given(moment=st.floats(0, 4e9, allow_nan=False))
def test_a_not_before_time_is_rounded_up_never_down(moment):
    delivery = Delivery(origin=Origin(**FRESH), attempt=1, not_before=moment)
    back = read_delivery(**FRESH, headers=encoded(delivery_headers(delivery))).not_before
    assert moment - 1e-5 <= back <= moment + 0.0011


@given(st.lists(st.tuples(st.sampled_from([
    "posta-attempt", "posta-not-before", "posta-redrive", "posta-original-topic", "posta-original-offset",
]), st.binary(max_size=12)), max_size=8))  # fmt: skip
def test_hostile_headers_cannot_stop_the_engine(headers):
    delivery = read_delivery(**FRESH, headers=tuple(headers))
    assert delivery.attempt >= 1
    assert delivery.redrive >= 0


def test_the_first_failure_stays_and_the_last_one_moves():
    once = failed(Delivery(origin=Origin(**FRESH), attempt=1), now=10)
    twice = failed(once, now=20)
    assert (twice.first_failure_ms, twice.last_failure_ms) == (10_000, 20_000)


def test_the_originals_headers_stay_in_place_and_only_ours_are_replaced():
    original = (("ce_id", b"1"), ("posta-attempt", b"1"), ("x", b"\xff"), ("x", b"2"))
    assert with_headers(original, {"posta-attempt": "2"}) == (
        ("ce_id", b"1"), ("x", b"\xff"), ("x", b"2"), ("posta-attempt", b"2"),
    )  # fmt: skip


def test_error_headers_hold_no_secret_and_are_bounded():
    url = "https://discord.com/api/v10/webhooks/123456/aSecretToken-x"
    error = raised(f"POST {url} failed for posta_{'k' * 43} at postgresql://u:hunter2@db/posta " + "x" * 5000)
    headers = error_headers(
        error, error_class=ErrorClass.TRANSIENT, reason=str(error), group="g", version="1"
    )
    text = " ".join(headers.values())
    assert not any(secret in text for secret in ("aSecretToken", "hunter2", "kkkk"))
    assert all(len(value) <= 1100 for value in headers.values())
    assert "test_failure.py" in headers["posta-exception-stack"]


def test_equal_failures_share_a_fingerprint_whatever_their_numbers():
    first = fingerprint(raised("status 503 after 1.25 s for id 9f8e7d6c5b4a"), group="g")
    assert first == fingerprint(raised("status 504 after 9.1 s for id 1a2b3c4d5e6f"), group="g")
    assert first != fingerprint(raised("no such model"), group="g")
    assert first != fingerprint(raised("status 503 after 1.25 s for id 9f8e7d6c5b4a"), group="other")


def test_an_admins_wish_holds_for_every_attempt_of_its_replay():
    original = (("posta-from-scratch", b"replay 1"), ("posta-attempt", b"1"))
    assert with_headers(original, {"posta-attempt": "2"}) == (
        ("posta-from-scratch", b"replay 1"),
        ("posta-attempt", b"2"),
    )
