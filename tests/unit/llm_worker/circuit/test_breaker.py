"""The circuit by its tables, and by whatever a group of workers may do to it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_worker.circuit.breaker import (
    CLOSED,
    Canary,
    Circuit,
    CircuitPolicy,
    Closed,
    Free,
    HalfOpen,
    Open,
    Proof,
    Refused,
    Report,
    from_json,
    to_json,
)

CIRCUIT = Circuit(CircuitPolicy(canary_s=90.0))
FAILED, OK = Report(failed=1), Report(ok=1)


def after(*reports, state=CLOSED, now=0.0):
    for report in reports:
        state = CIRCUIT.record(state, report, now)
    return state


def test_three_errors_in_a_row_open_it_for_two_minutes():
    assert isinstance(after(FAILED, FAILED), Closed)
    opened = after(FAILED, FAILED, FAILED)
    assert isinstance(opened, Open)
    assert CIRCUIT.look(opened, 119.9) == Refused(until=120.0)
    assert CIRCUIT.look(opened, 120.0) is None


def test_a_success_between_them_starts_the_row_anew():
    assert isinstance(after(FAILED, FAILED, OK, FAILED, FAILED), Closed)


def test_half_of_many_calls_failing_opens_it_without_a_row():
    reports = [OK, FAILED] * 10
    assert isinstance(after(*reports), Open)
    assert isinstance(after(*reports[:-2]), Closed), "fewer than 20 say nothing about a share"
    spread = CLOSED
    for number, report in enumerate(reports):
        spread = CIRCUIT.record(spread, report, number * 20.0)
    assert isinstance(spread, Closed), "within a minute there were never so many"


def test_each_trip_in_succession_keeps_it_open_twice_as_long_up_to_a_limit():
    state, now, waits = after(FAILED, FAILED, FAILED), 0.0, []
    for _ in range(6):
        waits.append(state.until - now)
        now = state.until
        state, admission = CIRCUIT.admit(state, now, owner="w")
        state = CIRCUIT.record(state, Report(canary=(admission.number, Proof.FAILED)), now)
    assert waits == [120, 240, 480, 960, 1800, 1800]


def test_a_trip_long_after_the_last_one_is_a_first_one_again():
    state, admission = CIRCUIT.admit(after(FAILED, FAILED, FAILED), 120.0, owner="w")
    healed = CIRCUIT.record(state, Report(canary=(admission.number, Proof.LIVED)), 121.0)
    soon = after(FAILED, FAILED, FAILED, state=healed, now=200.0)
    later = after(FAILED, FAILED, FAILED, state=healed, now=1000.0)
    assert (soon.until - 200.0, later.until - 1000.0) == (240.0, 120.0)


def test_one_canary_is_let_through_and_a_lost_one_is_replaced():
    opened = after(FAILED, FAILED, FAILED)
    probing, first = CIRCUIT.admit(opened, 120.0, owner="a")
    assert first == Canary(number=1)
    assert CIRCUIT.admit(probing, 121.0, owner="b")[1] == Refused(until=210.0)
    replaced, second = CIRCUIT.admit(probing, 210.0, owner="b")
    assert second == Canary(number=2)
    late = Report(canary=(1, Proof.LIVED))
    assert CIRCUIT.record(replaced, late, 211.0) == replaced, "a late word of the lost one proves nothing"


@pytest.mark.parametrize(
    ("proof", "then"), [(Proof.LIVED, Closed), (Proof.FAILED, Open), (Proof.NOTHING, Open)]
)
def test_the_canarys_end_decides(proof, then):
    probing, canary = CIRCUIT.admit(after(FAILED, FAILED, FAILED), 120.0, owner="a")
    state = CIRCUIT.record(probing, Report(canary=(canary.number, proof)), 130.0)
    assert isinstance(state, then)
    if proof is Proof.NOTHING:
        assert isinstance(CIRCUIT.admit(state, 130.0, owner="b")[1], Canary), "another one goes at once"


def test_what_was_under_way_when_it_opened_changes_nothing():
    opened = after(FAILED, FAILED, FAILED)
    assert after(OK, FAILED, OK, state=opened) == opened


@pytest.mark.parametrize(
    "state",
    [
        after(OK, FAILED),
        Open(until=5.0, trips=2, since=1.0, canaries=3),
        HalfOpen(canary=4, owner="w", until=9.0, trips=1, since=2.0),
    ],
)
def test_a_state_is_read_as_it_was_stored(state):
    assert from_json(to_json(state)) == state


def test_nothing_stored_is_a_closed_circuit():
    assert from_json(None) == CLOSED


@given(st.integers(0, 2**32))
def test_there_are_never_two_canaries_at_once(seed):
    """Workers that answer late, crash, or never answer; a call ends within the canary's time."""
    chance, now, state = random.Random(seed), 0.0, CLOSED
    flying: list[tuple[int, float]] = []
    for _ in range(300):
        now += chance.choice([0.1, 5.0, 40.0])
        flying = [(number, ends) for number, ends in flying if ends > now]
        step = chance.choice(["call", "call", "fail", "ok", "prove"])
        if step == "call":
            state, admission = CIRCUIT.admit(state, now, owner="w")
            if isinstance(admission, Canary):
                assert flying == []
                flying.append((admission.number, now + chance.uniform(1, CIRCUIT.policy.canary_s - 0.1)))
            assert isinstance(admission, Canary | Free | Refused)
        elif step == "prove" and flying:
            number, _ = flying.pop()
            if chance.random() < 0.7:  # else the worker died before it could say so
                proof = chance.choice(list(Proof))
                state = CIRCUIT.record(state, Report(canary=(number, proof)), now)
        else:
            state = CIRCUIT.record(state, FAILED if step == "fail" else OK, now)
