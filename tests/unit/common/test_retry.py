"""The decision after a failure, as a table and as properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posta.domain.backoff import Table
from posta.domain.retry import DeadLetter, ErrorClass, RetryPolicy, Wait, classify, decide
from posta.errors import Expired, Malformed, NotNow, Permanent, Transient

POLICY = RetryPolicy(max_attempts=3, backoff=Table(delays_s=(1, 2)))


def after(error, *, attempt=1, now=100.0, deadline=None):
    return decide(POLICY, error, attempt=attempt, now=now, deadline=deadline, jitter=0.5)


@pytest.mark.parametrize(
    ("error", "attempt", "deadline", "expected"),
    [
        pytest.param(Transient("x"), 1, None, (101, 2, "transient"), id="the table's first wait"),
        pytest.param(Transient("x"), 2, None, (102, 3, "transient"), id="the table's second wait"),
        pytest.param(Transient("x", retry_after_s=9), 1, None, (109, 2, "transient"), id="as asked"),
        pytest.param(Transient("x", retry_after_s=0.1), 1, None, (101, 2, "transient"), id="not sooner"),
        pytest.param(KeyError("x"), 1, None, (101, 2, "unexpected"), id="unexpected is retried"),
        pytest.param(NotNow("x", wait_s=7), 1, None, (107, 1, "throttled"), id="no attempt used"),
        pytest.param(NotNow("x", wait_s=7), 3, None, (107, 3, "throttled"), id="not even the last"),
        pytest.param(NotNow("x", wait_s=-7), 1, None, (100, 1, "throttled"), id="a wait is not negative"),
        pytest.param(Transient("x"), 1, 101.5, (101, 2, "transient"), id="due before its deadline"),
    ],
)
def test_a_record_waits(error, attempt, deadline, expected):
    not_before, next_attempt, error_class = expected
    assert after(error, attempt=attempt, deadline=deadline) == Wait(
        not_before=not_before, attempt=next_attempt, error_class=ErrorClass(error_class)
    )


@pytest.mark.parametrize(
    ("error", "attempt", "deadline", "error_class", "reason"),
    [
        pytest.param(Permanent("no such key"), 1, None, "permanent", "no such key", id="permanent"),
        pytest.param(Malformed("not JSON"), 1, None, "permanent", "not JSON", id="malformed"),
        pytest.param(Expired("too late"), 1, None, "expired", "too late", id="expired"),
        pytest.param(Transient("x"), 3, None, "transient", "attempt 3 of 3 failed: x", id="used up"),
        pytest.param(KeyError("x"), 3, None, "unexpected", "attempt 3 of 3 failed: 'x'", id="unexpected"),
        pytest.param(
            Transient("x"), 1, 101.0, "expired", "only after its deadline", id="due at its deadline"
        ),
        pytest.param(
            NotNow("x", wait_s=9), 1, 105.0, "expired", "only after its deadline", id="capacity late"
        ),
    ],
)
def test_a_record_is_given_up(error, attempt, deadline, error_class, reason):
    decision = after(error, attempt=attempt, deadline=deadline)
    assert isinstance(decision, DeadLetter)
    assert decision.error_class == ErrorClass(error_class)
    assert reason in decision.reason


ERRORS = st.one_of(
    st.builds(Transient, st.just("t"), retry_after_s=st.none() | st.floats(0, 10**5)),
    st.builds(NotNow, st.just("n"), wait_s=st.floats(0, 10**5)),
    st.just(RuntimeError("u")),
)


@given(error=ERRORS, attempt=st.integers(1, 10), now=st.floats(0, 2e9), jitter=st.floats(0, 0.999))
def test_a_wait_is_never_early_never_skips_an_attempt_and_attempts_end(error, attempt, now, jitter):
    decision = decide(POLICY, error, attempt=attempt, now=now, deadline=None, jitter=jitter)
    if isinstance(decision, DeadLetter):
        assert attempt >= 3
        assert classify(error) is not ErrorClass.THROTTLED
        return
    assert decision.not_before >= now
    assert decision.attempt == attempt + (0 if isinstance(error, NotNow) else 1)
    asked = getattr(error, "retry_after_s", None) or getattr(error, "wait_s", 0)
    assert decision.not_before >= now + asked


def test_for_ever_means_for_ever():
    policy = RetryPolicy(max_attempts=None, backoff=Table(delays_s=(1,)))
    assert isinstance(decide(policy, Transient("x"), attempt=10**9, now=0, deadline=None, jitter=0), Wait)
