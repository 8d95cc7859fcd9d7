"""The dead-letter flood breaker: what trips it, what a canary proves, and what is never given up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from posta.domain.flood import (
    NEVER,
    Cause,
    Closed,
    FloodBreaker,
    FloodPolicy,
    Open,
    Probing,
    cause_of,
)
from posta.domain.retry import ErrorClass
from posta.errors import Expired, Malformed, Permanent, Transient

ROW = FloodPolicy(in_a_row=3, share=None, cool_down_s=10, longest_cool_down_s=40, forget_s=100)
SHARE = FloodPolicy(in_a_row=None, share=0.5, at_least=10, window_s=60)


def died(breaker: FloodBreaker, now: float, *, is_canary: bool = False) -> bool:
    return breaker.may_give_up(Cause.PERMANENT, now, is_canary=is_canary)


def opened(trips: int, until: float, cause: Cause = Cause.PERMANENT) -> Open:
    return Open(trips=trips, cause=cause, until=until)


def tripped(policy: FloodPolicy = ROW, now: float = 0.0) -> FloodBreaker:
    breaker = FloodBreaker(policy)
    while died(breaker, now):
        pass
    return breaker


def test_the_last_of_the_row_is_not_given_up_and_nothing_after_it():
    breaker = FloodBreaker(ROW)
    assert [died(breaker, 0.0) for _ in range(5)] == [True, True, False, False, False]
    assert breaker.state == opened(1, 10.0)


def test_a_success_ends_a_row():
    breaker = FloodBreaker(ROW)
    for now in range(50):
        assert died(breaker, now)
        assert died(breaker, now)
        breaker.lived(now)
    assert isinstance(breaker.state, Closed)


def test_a_share_trips_only_once_enough_have_ended():
    breaker = FloodBreaker(SHARE)
    assert all(died(breaker, 0.0) for _ in range(9))
    assert not died(breaker, 0.0), "the tenth end makes it a share"


def test_a_share_below_the_policys_never_trips():
    breaker = FloodBreaker(SHARE)
    for _ in range(200):
        breaker.lived(0.0)
        breaker.lived(0.0)
        assert died(breaker, 0.0)


def test_what_left_the_window_no_longer_counts():
    breaker = FloodBreaker(SHARE)
    assert all(died(breaker, 0.0) for _ in range(9))
    for _ in range(3):
        assert died(breaker, 60.0), "nine deaths a minute ago are history"
    assert (breaker.tally.died, breaker.tally.ended) == (3, 3)


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause not in SHARE.counted])
def test_a_cause_that_does_not_count_passes_open_or_closed_and_changes_nothing(cause):
    breaker = FloodBreaker(ROW)
    assert all(breaker.may_give_up(cause, 0.0) for _ in range(100))
    assert breaker.row == 0
    breaker = tripped()
    before = breaker.state
    assert breaker.may_give_up(cause, 0.0)
    assert breaker.state == before


def test_expired_records_do_not_count_unless_told():
    assert Cause.EXPIRED not in FloodPolicy().counted
    strict = FloodPolicy(in_a_row=1, counted=frozenset(Cause))
    assert not FloodBreaker(strict).may_give_up(Cause.EXPIRED, 0.0)


def test_without_a_policy_nothing_trips():
    breaker = FloodBreaker(NEVER)
    assert all(breaker.may_give_up(cause, 0.0) for cause in Cause for _ in range(1000))


def test_a_canary_that_lives_closes_it_and_one_that_dies_opens_it_for_longer():
    breaker = tripped()
    assert not breaker.probe(9.9), "the cool-down is not over"
    assert breaker.probe(10.0)
    assert not breaker.probe(10.0), "one canary"
    assert not died(breaker, 11.0, is_canary=True)
    assert breaker.state == opened(2, 31.0)
    assert breaker.probe(31.0)
    breaker.lived(32.0, is_canary=True)
    assert breaker.state == Closed(trips=2, since=32.0)
    assert (breaker.row, breaker.tally.ended) == (0, 0), "what was counted has been dealt with"


@pytest.mark.parametrize(
    ("cause", "used_attempt", "after"),
    [
        pytest.param(Cause.PERMANENT, True, Closed(trips=1, since=11.0), id="another failure than before"),
        pytest.param(Cause.MALFORMED, True, Closed(trips=1, since=11.0), id="it can be read at least"),
        pytest.param(Cause.EXHAUSTED, False, Closed(trips=1, since=11.0), id="only capacity is missing"),
        pytest.param(Cause.EXHAUSTED, True, opened(2, 31.0, Cause.EXHAUSTED), id="it dies slowly"),
    ],
)
def test_a_canary_that_will_be_tried_again_lives_unless_it_dies_slowly(cause, used_attempt, after):
    breaker = FloodBreaker(ROW)
    while breaker.may_give_up(cause, 0.0):
        pass
    breaker.probe(10.0)
    breaker.canary_waits(11.0, used_attempt=used_attempt)
    assert breaker.state == after


def test_records_that_were_running_when_it_tripped_decide_nothing():
    breaker = tripped()
    breaker.lived(1.0)
    assert not died(breaker, 1.0)
    breaker.canary_waits(1.0, used_attempt=True)
    assert breaker.state == opened(1, 10.0)
    breaker.probe(10.0)
    breaker.lived(11.0)
    assert not died(breaker, 11.0)
    assert breaker.state == Probing(trips=1, cause=Cause.PERMANENT)


def test_the_cool_down_doubles_up_to_its_limit_and_starts_anew_after_a_quiet_time():
    breaker, now, lasted = tripped(), 0.0, []
    for _ in range(5):
        assert isinstance(breaker.state, Open)
        lasted.append(breaker.state.until - now)
        now = breaker.state.until
        breaker.probe(now)
        died(breaker, now, is_canary=True)
    assert lasted == [10, 20, 40, 40, 40]
    now = breaker.state.until
    breaker.probe(now)
    breaker.lived(now, is_canary=True)
    while died(breaker, now + 99):
        pass
    assert breaker.state == opened(7, now + 99 + 40), "a relapse"
    breaker.probe(breaker.state.until)
    breaker.lived(now, is_canary=True)
    while died(breaker, now + 100):
        pass
    assert breaker.state == opened(1, now + 110), "a new story"


def test_an_operator_begins_anew_from_any_state():
    for probing in (False, True):
        breaker = tripped()
        if probing:
            breaker.probe(10.0)
        breaker.resume(10.0)
        assert breaker.state == Closed(trips=0, since=10.0)
        assert died(breaker, 10.0), "a whole row is free again"


@pytest.mark.parametrize(
    ("error", "error_class", "cause"),
    [
        (Malformed("no JSON"), ErrorClass.PERMANENT, Cause.MALFORMED),
        (Permanent("refused"), ErrorClass.PERMANENT, Cause.PERMANENT),
        (Transient("500"), ErrorClass.TRANSIENT, Cause.EXHAUSTED),
        (ValueError("defect"), ErrorClass.UNEXPECTED, Cause.EXHAUSTED),
        (Expired("too late"), ErrorClass.EXPIRED, Cause.EXPIRED),
        (Transient("due after its deadline"), ErrorClass.EXPIRED, Cause.EXPIRED),
    ],
)
def test_the_cause_follows_what_was_decided(error, error_class, cause):
    assert cause_of(error, error_class) is cause


@pytest.mark.parametrize(
    "wrong",
    [
        {"in_a_row": 0},
        {"share": 0.0},
        {"share": 1.5},
        {"at_least": 0},
        {"window_s": 0.0},
        {"cool_down_s": 0.0},
        {"cool_down_s": 60.0, "longest_cool_down_s": 59.0},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        FloodPolicy(**wrong)


@given(st.integers(1, 10_000))
def test_a_cool_down_never_leaves_its_bounds(trips):
    policy = FloodPolicy()
    assert policy.cool_down_s <= policy.cool_down_of(trips) <= policy.longest_cool_down_s


class Group(RuleBasedStateMachine):
    """A group's records under a virtual clock, against a list of all that ever happened."""

    policy = FloodPolicy(
        in_a_row=4, share=0.5, at_least=6, window_s=12, cool_down_s=5, longest_cool_down_s=20, forget_s=30
    )

    def __init__(self) -> None:
        super().__init__()
        self.breaker = FloodBreaker(self.policy)
        self.now = 1000.0
        self.ends: list[tuple[float, bool]] = []
        """Time and whether it died, since the breaker last closed."""

    @property
    def is_closed(self) -> bool:
        return isinstance(self.breaker.state, Closed)

    @rule(seconds=st.floats(0, 15))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_record_lives(self) -> None:
        before = self.breaker.state
        self.breaker.lived(self.now)
        assert self.breaker.state == before
        if self.is_closed:
            self.ends.append((self.now, False))

    @rule(cause=st.sampled_from(Cause))
    def a_record_dies(self, cause: Cause) -> None:
        before = self.breaker.state
        may = self.breaker.may_give_up(cause, self.now)
        if cause not in self.policy.counted:
            assert may
            assert self.breaker.state == before
        elif not isinstance(before, Closed):
            assert not may
            assert self.breaker.state == before
        else:
            self.ends.append((self.now, True))
            assert may is not self._is_flood()
            assert may is self.is_closed

    @rule()
    def the_cool_down_is_looked_at(self) -> None:
        before = self.breaker.state
        due = isinstance(before, Open) and self.now >= before.until
        assert self.breaker.probe(self.now) is due
        assert isinstance(self.breaker.state, Probing) if due else self.breaker.state == before

    @precondition(lambda self: isinstance(self.breaker.state, Probing))
    @rule(how=st.sampled_from(["lives", "lacks capacity", "fails", "dies"]))
    def the_canary_ends(self, how: str) -> None:
        before = self.breaker.state
        cause = Cause.PERMANENT
        match how:
            case "dies":
                assert not died(self.breaker, self.now, is_canary=True)
            case "lives":
                self.breaker.lived(self.now, is_canary=True)
            case _:
                cause = before.cause
                self.breaker.canary_waits(self.now, used_attempt=how == "fails")
        if how == "dies" or (how == "fails" and before.cause is Cause.EXHAUSTED):
            trips = before.trips + 1
            until = self.now + self.policy.cool_down_of(trips)
            assert self.breaker.state == opened(trips, until, cause)
            return
        assert self.breaker.state == Closed(trips=before.trips, since=self.now)
        self.ends.clear()

    @rule()
    def an_operator_resumes(self) -> None:
        self.breaker.resume(self.now)
        self.ends.clear()
        assert self.breaker.state == Closed(trips=0, since=self.now)

    @invariant()
    def it_is_closed_only_while_there_is_no_flood(self) -> None:
        assert not (self.is_closed and self.ends and self.ends[-1][1] and self._is_flood())

    @invariant()
    def an_open_one_has_an_end_within_the_longest_cool_down(self) -> None:
        if isinstance(self.breaker.state, Open):
            assert self.breaker.state.until <= self.now + self.policy.longest_cool_down_s

    def _is_flood(self) -> bool:
        row = 0
        for _, has_died in reversed(self.ends):
            if not has_died:
                break
            row += 1
        latest = self.ends[-1][0]
        recent = [d for at, d in self.ends if int(at) > int(latest) - 12]
        return row >= 4 or (len(recent) >= 6 and sum(recent) * 2 >= len(recent))


TestGroup = Group.TestCase
