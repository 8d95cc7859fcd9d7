import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from posta_sandbox.faults import Fault, Faults, Kind, Service


def decide(faults, subject="POST /x {}", chance=0.0, at="call"):
    return faults.decide(Service.LLM, subject, chance=chance, at=at)


@given(count=st.integers(1, 20))
def test_a_counted_fault_strikes_exactly_that_many_calls(count):
    faults = Faults()
    faults.put(Service.LLM, [Fault(kind=Kind.RESET, count=count)])
    struck = [decide(faults) is not None for _ in range(count + 3)]
    assert struck == [True] * count + [False] * 3


@given(share=st.floats(0.01, 1), chance=st.floats(0, 1, exclude_max=True))
def test_a_shared_fault_strikes_when_chance_is_below_its_share(share, chance):
    faults = Faults()
    faults.put(Service.LLM, [Fault(kind=Kind.RESET, share=share)])
    assert (decide(faults, chance=chance) is not None) == (chance < share)


def test_a_fault_without_count_or_share_strikes_until_cleared():
    faults = Faults()
    faults.put(Service.LLM, [Fault(kind=Kind.RESET)])
    assert all(decide(faults) for _ in range(50))
    faults.clear()
    assert decide(faults) is None


def test_match_lets_other_calls_through_unspent():
    faults = Faults()
    faults.put(Service.LLM, [Fault(kind=Kind.RESET, count=1, match="needle")])
    assert decide(faults, "POST /x hay") is None
    assert decide(faults, "POST /x a needle") is not None
    assert decide(faults, "POST /x a needle") is None


def test_faults_strike_in_their_order_and_only_their_own_service():
    faults = Faults()
    faults.put(Service.LLM, [Fault(kind=Kind.RESET, count=1), Fault(kind=Kind.HANG, count=1)])
    assert faults.decide(Service.DISCORD, "", chance=0) is None
    assert [decide(faults).kind, decide(faults).kind] == [Kind.RESET, Kind.HANG]


def test_a_fault_at_the_connection_does_not_strike_calls():
    faults = Faults()
    faults.put(Service.LLM, [Fault(kind=Kind.RESET, at="connect", count=1)])
    assert decide(faults) is None
    assert decide(faults, at="connect") is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "reset", "count": 1, "share": 0.5},
        {"kind": "reset", "count": 0},
        {"kind": "reset", "share": 1.5},
        {"kind": "explode"},
        {"kind": "reset", "surprise": 1},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fields):
    with pytest.raises(ValidationError):
        Fault.model_validate(fields)
