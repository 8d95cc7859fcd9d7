"""Dead-letter flood breaker: whether one more record may be given up, or its group must pause.

    Closed ──too many died──▶ Open(until) ──until is reached──▶ Probing ──the canary lived──▶ Closed
                                 ▲                                 │
                                 └──────── it died: longer ────────┘
    any of them ──an operator resumes──▶ Closed

*Too many* is a number in a row, or a share of those that ended within a window. The record that
trips the breaker is not given up: it waits with its key, and so does every other that would follow
it. After the cool-down one record, the canary, is handled; a canary that was lost on the way (its
partition went to another member, say) is replaced by another. One that failed and will be tried
again lives, unless used-up attempts are what tripped the breaker: then it is dying slowly.

Rule: every state and every transition lives in this file, and none of it reads a clock.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from posta.domain.retry import ErrorClass
from posta.errors import Malformed, Undeliverable

_STEPS = 12


class Cause(StrEnum):
    """Why a record is about to become a dead letter, as far as a flood is concerned."""

    MALFORMED = "malformed"
    """Its bytes cannot be read."""
    PERMANENT = "permanent"
    """No attempt can succeed."""
    EXHAUSTED = "exhausted"
    """Its attempts are used up."""
    UNDELIVERABLE = "undeliverable"
    """Its own target is known to be closed: no reason to keep the records of others."""
    EXPIRED = "expired"
    """Its deadline passed: usual after an outage, and no reason to keep it any longer."""


def cause_of(error: BaseException, error_class: ErrorClass) -> Cause:
    """The cause of a dead letter, from the last error and the class that was decided on."""
    if error_class is ErrorClass.EXPIRED:
        return Cause.EXPIRED
    if isinstance(error, Undeliverable):
        return Cause.UNDELIVERABLE
    if isinstance(error, Malformed):
        return Cause.MALFORMED
    return Cause.PERMANENT if error_class is ErrorClass.PERMANENT else Cause.EXHAUSTED


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodPolicy:
    """When to trip, how long to stay tripped, and what counts."""

    in_a_row: int | None = 50
    """So many deaths without a success between them trip; the last is not given up. None: no such rule."""
    share: float | None = 0.5
    """Deaths among the records that ended within ``window_s``, above 0 to 1. None: no such rule."""
    at_least: int = 50
    """Fewer ends within the window say nothing about a share."""
    window_s: float = 60.0
    """Kept in twelve steps, so up to a twelfth of it may be missing at its old end."""
    cool_down_s: float = 30.0
    """From the first trip to its canary; doubles with each trip that follows."""
    longest_cool_down_s: float = 600.0
    """The doubling ends here."""
    forget_s: float = 600.0
    """A trip so long after the last resumption starts with the shortest cool-down again."""
    counted: frozenset[Cause] = frozenset({Cause.MALFORMED, Cause.PERMANENT, Cause.EXHAUSTED})
    """Deaths of other causes pass the breaker, open or closed, and change nothing."""

    def __post_init__(self) -> None:
        if self.in_a_row is not None and self.in_a_row < 1:
            raise ValueError(f"in_a_row must be at least 1, not {self.in_a_row}")
        if self.share is not None and not 0 < self.share <= 1:
            raise ValueError(f"share must lie above 0 and be at most 1, not {self.share}")
        if min(self.at_least, self.window_s, self.cool_down_s) <= 0:
            raise ValueError("at_least, window_s and cool_down_s must be positive")
        if self.longest_cool_down_s < self.cool_down_s:
            raise ValueError("longest_cool_down_s must not be shorter than cool_down_s")

    def cool_down_of(self, trips: int) -> float:
        """Seconds that the ``trips``-th trip in succession lasts; 1 for the first."""
        doublings = min(trips - 1, 62)
        return min(self.cool_down_s * 2.0**doublings, self.longest_cool_down_s)


NEVER = FloodPolicy(counted=frozenset())
"""Trips on nothing: the policy of a group that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Records are given up as they fail."""

    trips: int = 0
    """How many trips in succession led here."""
    since: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Nothing is given up and nothing is started."""

    trips: int
    cause: Cause
    """What the record died of that tripped it."""
    until: float
    """When a canary may be handled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probing:
    """One record, the canary, is handled; its end decides."""

    trips: int
    cause: Cause


State = Closed | Open | Probing


class Tally:
    """How many records ended, and how many of them died, within the last window."""

    __slots__ = ("_current", "_current_until", "_step_s", "_steps", "died", "ended")

    def __init__(self, window_s: float) -> None:
        self._step_s = window_s / _STEPS
        self._steps: deque[list[int]] = deque()
        self._current: list[int] = []
        self._current_until = float("-inf")
        self.ended = 0
        self.died = 0

    def add(self, now: float, *, ended: int = 1, deaths: int) -> None:
        """Count records that ended at ``now``, and how many of them died."""
        if now >= self._current_until:
            self._begin_step(now)
        self._current[1] += ended
        self._current[2] += deaths
        self.ended += ended
        self.died += deaths

    def move_to(self, now: float) -> None:
        """Forget what the window no longer holds."""
        oldest = int(now // self._step_s) - _STEPS + 1
        while self._steps and self._steps[0][0] < oldest:
            _, ended, died = self._steps.popleft()
            self.ended -= ended
            self.died -= died

    def _begin_step(self, now: float) -> None:
        self.move_to(now)
        step = int(now // self._step_s)
        self._current = [step, 0, 0]
        self._current_until = (step + 1) * self._step_s
        self._steps.append(self._current)


class FloodBreaker:
    """The state of one group's breaker; ``now`` is in seconds on any clock that never goes back."""

    def __init__(self, policy: FloodPolicy) -> None:
        self._policy = policy
        self.state: State = Closed()
        self.row = 0
        """Deaths since the last success."""
        self.tally = Tally(policy.window_s)

    def lived(self, now: float, *, count: int = 1, is_canary: bool = False) -> None:
        """So many records ended well, since anything else happened."""
        match self.state:
            case Closed():
                self.row = 0
                self.tally.add(now, ended=count, deaths=0)
            case Probing() if is_canary:
                self._close(now, trips=self.state.trips)
            case _:
                return

    def canary_waits(self, now: float, *, used_attempt: bool) -> None:
        """The canary will be tried again; ``used_attempt`` is false when only capacity was missing."""
        if not isinstance(self.state, Probing):
            return
        if used_attempt and self.state.cause is Cause.EXHAUSTED:
            self._trip(now, Cause.EXHAUSTED, trips=self.state.trips + 1)
        else:
            self._close(now, trips=self.state.trips)

    def may_give_up(self, cause: Cause, now: float, *, is_canary: bool = False) -> bool:
        """Whether a record that died may become a dead letter; if not, it must be kept undone."""
        if cause not in self._policy.counted:
            return True
        match self.state:
            case Closed():
                self.row += 1
                self.tally.add(now, deaths=1)
                if not self._is_flood():
                    return True
                is_fresh = now - self.state.since >= self._policy.forget_s
                self._trip(now, cause, trips=1 if is_fresh else self.state.trips + 1)
            case Probing() if is_canary:
                self._trip(now, cause, trips=self.state.trips + 1)
            case _:
                pass
        return False

    def probe(self, now: float) -> bool:
        """Whether a canary may be handled now; the answer is yes once for each cool-down."""
        if isinstance(self.state, Open) and now >= self.state.until:
            self.state = Probing(trips=self.state.trips, cause=self.state.cause)
            return True
        return False

    def resume(self, now: float) -> None:
        """An operator says that the cause is mended: begin anew."""
        self._close(now, trips=0)

    def _is_flood(self) -> bool:
        policy = self._policy
        if policy.in_a_row is not None and self.row >= policy.in_a_row:
            return True
        tally = self.tally
        return (
            policy.share is not None
            and tally.ended >= policy.at_least
            and tally.died >= policy.share * tally.ended
        )

    def _trip(self, now: float, cause: Cause, *, trips: int) -> None:
        self.state = Open(trips=trips, cause=cause, until=now + self._policy.cool_down_of(trips))

    def _close(self, now: float, *, trips: int) -> None:
        self.state = Closed(trips=trips, since=now)
        self.row = 0
        # What was counted before has been dealt with; it must not trip the breaker once more.
        self.tally = Tally(self._policy.window_s)
