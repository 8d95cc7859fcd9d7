"""Decision, lanes and headers together: a waiting record through hops, crashes and clocks that jump."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from posta.domain.backoff import FullJitter
from posta.domain.failure import Delivery, Origin, delivery_headers, failed, read_delivery
from posta.domain.lanes import SLACK_S, Lanes
from posta.domain.retry import DeadLetter, RetryPolicy, decide
from posta.errors import NotNow, Permanent, Transient

LANES = Lanes(delays_s=(5, 30, 120))
POLICY = RetryPolicy(max_attempts=4, backoff=FullJitter(base_s=1.0, cap_s=200.0))
ORIGIN = Origin(topic="source", partition=0, offset=7, timestamp_ms=1)
_MILLISECOND_S = 0.001


class Wanderer(RuleBasedStateMachine):
    """One record; the model is when it may be handled next, as which attempt, and how long it still rides."""

    def __init__(self):
        super().__init__()
        self.now = 1_800_000_000.0
        self.delivery = Delivery(origin=ORIGIN, attempt=1)
        self.stored = self.headers()
        self.may_at, self.attempt = 0.0, 1
        self.left_s = 0.0
        self.hops = 0
        self.ended = False

    def headers(self):
        return tuple((name, text.encode()) for name, text in delivery_headers(self.delivery).items())

    @rule(by=st.sampled_from([0.01, 0.4, 4.97, 5.0, 29.0, 119.5, 130.0]))
    def time_passes(self, by):
        self.now += by

    @rule(by=st.sampled_from([-600.0, -3.0, 3.0, 600.0]))
    def the_clock_jumps(self, by):
        self.now += by

    @rule()
    def crash(self):
        """The next owner has only the copy that Kafka holds."""
        self.delivery = read_delivery(
            topic="lane", partition=0, offset=0, timestamp_ms=0, headers=self.stored
        )

    @precondition(lambda self: not self.ended and self.now >= self.delivery.lane_due)
    @rule(
        error=st.sampled_from(
            [
                Transient("x"),
                Transient("x", retry_after_s=47.0),
                NotNow("x", wait_s=500.0),
                Permanent("x"),
                None,
            ]
        ),
        jitter=st.floats(0, 0.999),
        deadline_in=st.sampled_from([None, None, 60.0]),
    )
    def gets_off(self, error, jitter, deadline_in):
        """It got off its lane, or never rode one: wait on, or be handled."""
        left_s = self.delivery.not_before - self.now
        if left_s > 0:
            lane = LANES.lane_for(left_s)
            if lane is not None:
                assert lane <= left_s + SLACK_S, "no hop overshoots"
                self.ride(lane)
            return
        self.handle(error, jitter, None if deadline_in is None else self.now + deadline_in)

    def handle(self, error, jitter, deadline):
        assert self.now >= self.may_at - _MILLISECOND_S, "never early"
        assert self.delivery.attempt == self.attempt, "attempts survive hops and crashes"
        assert self.attempt <= POLICY.max_attempts
        if error is None:
            self.ended = True
            return
        decision = decide(POLICY, error, attempt=self.attempt, now=self.now, deadline=deadline, jitter=jitter)
        if isinstance(decision, DeadLetter):
            self.ended = True
            return
        uses_attempt = not isinstance(error, NotNow)
        assert decision.attempt == self.attempt + uses_attempt
        assert deadline is None or decision.not_before < deadline
        asked_s = getattr(error, "retry_after_s", None) or getattr(error, "wait_s", 0.0)
        assert decision.not_before >= self.now + asked_s
        self.attempt, self.may_at, self.hops = decision.attempt, decision.not_before, 0
        self.delivery = replace(
            failed(self.delivery, now=self.now), attempt=decision.attempt, not_before=decision.not_before
        )
        lane = LANES.lane_for(decision.not_before - self.now)
        if lane is None:
            # The rest is waited out in memory. (What a crash does to that is the engine's matter.)
            self.now = decision.not_before
        else:
            self.ride(lane)
        self.stored = self.headers()

    def ride(self, lane):
        self.hops += 1
        self.delivery = replace(self.delivery, lane_due=self.now + lane)
        self.stored = self.headers()

    @invariant()
    def the_story_survives_the_headers(self):
        read = read_delivery(topic="x", partition=9, offset=9, timestamp_ms=9, headers=self.stored)
        assert read.origin == ORIGIN
        assert read.attempt == self.attempt
        assert -_MILLISECOND_S / 50 <= read.not_before - self.may_at <= 2 * _MILLISECOND_S

    @invariant()
    def hops_are_few(self):
        # Each clock that was set back by ten minutes costs at most five more of the longest lane.
        assert self.hops <= 60


Wanderer.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestWanderer = Wanderer.TestCase
