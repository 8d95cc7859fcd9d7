"""The circuit of one model, shared by the whole group: who may call, and what each result does to that.

                 errors in a row, or too large a share
    Closed ───────────────────────────────────────────▶ Open(until)
      ▲                                                   │ its time is over: one is let through
      │ the canary lived                                  ▼
      └────────────────────────────────────────────── HalfOpen(canary n, until)
                                                          │ the canary failed: Open, twice as long
                                                          │ it was lost, or proved nothing: canary n + 1

Rule: every state and transition lives in this file and none reads a clock. A result counts only for
the canary whose number it carries, so that a late one proves nothing.
"""

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

_STEPS = 12
"""In how many steps the window of a share is kept."""
_MOST_DOUBLINGS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitPolicy:
    """When to open, and for how long."""

    errors_in_a_row: int = 3
    share: float = 0.5
    """Of the calls within ``window_s`` that may fail, once there were ``at_least``."""
    at_least: int = 20
    window_s: float = 60.0
    open_s: float = 120.0
    longest_open_s: float = 1800.0
    forget_s: float = 600.0
    """A trip so long after the last closing is a first one again."""
    canary_s: float = 90.0
    """A canary not heard of for so long is lost; longer than any call takes."""

    def open_for_s(self, trips: int) -> float:
        """How long the ``trips``-th trip in succession keeps it open."""
        return min(self.longest_open_s, self.open_s * 2.0 ** min(trips - 1, _MOST_DOUBLINGS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Calls go through."""

    in_a_row: int = 0
    """Failures since the last success."""
    tally: tuple[tuple[int, int, int], ...] = ()
    """(step of the window, successes, failures), oldest first."""
    trips: int = 0
    """Trips in succession before it closed."""
    canaries: int = 0
    """Canaries sent so far, over all openings."""
    since: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """No call goes through until ``until``."""

    until: float
    trips: int
    since: float
    canaries: int
    """Canaries sent so far: the next one's number is one more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfOpen:
    """One call is under way, and its end decides."""

    canary: int
    owner: str
    until: float
    """When it counts as lost."""
    trips: int
    since: float


State = Closed | Open | HalfOpen
CLOSED = Closed()


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """Any number of calls may be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """Exactly one call may be made, and must be reported under this number."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No call may be made before ``until``."""

    until: float


Admission = Free | Canary | Refused


class Proof(Enum):
    """What a canary's end says."""

    LIVED = "lived"
    """The server answered, whatever it thought of the request."""
    FAILED = "failed"
    """It is still ill."""
    NOTHING = "nothing"
    """The call was cancelled, or never made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Calls that ended, in order: ``ok`` successes, then ``failed`` failures, then perhaps a canary."""

    ok: int = 0
    failed: int = 0
    canary: tuple[int, Proof] | None = None


@dataclass(frozen=True, slots=True)
class Circuit:
    """The policy applied to a state."""

    policy: CircuitPolicy = field(default_factory=CircuitPolicy)

    def look(self, state: State, now: float) -> Refused | None:
        """Why no call may be made now, without changing anything."""
        match state:
            case Open(until=until) | HalfOpen(until=until) if now < until:
                return Refused(until=until)
            case _:
                return None

    def admit(self, state: State, now: float, *, owner: str) -> tuple[State, Admission]:
        """Whether ``owner`` may call now."""
        match state:
            case Closed():
                return state, Free()
            case Open(until=until) | HalfOpen(until=until) if now < until:
                return state, Refused(until=until)
            case Open(canaries=sent) | HalfOpen(canary=sent):
                probing = HalfOpen(
                    canary=sent + 1,
                    owner=owner,
                    until=now + self.policy.canary_s,
                    trips=state.trips,
                    since=state.since,
                )
                return probing, Canary(number=sent + 1)

    def record(self, state: State, report: Report, now: float) -> State:
        """The state after ``report``; what was under way when it opened changes nothing."""
        if isinstance(state, HalfOpen) and report.canary is not None:
            number, proof = report.canary
            return self._proven(state, proof, now) if number == state.canary else state
        if isinstance(state, Closed) and (report.ok or report.failed):
            return self._counted(state, report, now)
        return state

    def _proven(self, state: HalfOpen, proof: Proof, now: float) -> State:
        match proof:
            case Proof.LIVED:
                return Closed(trips=state.trips, canaries=state.canary, since=now)
            case Proof.FAILED:
                trips = state.trips + 1
                until = now + self.policy.open_for_s(trips)
                return Open(until=until, trips=trips, since=state.since, canaries=state.canary)
            case Proof.NOTHING:
                return Open(until=now, trips=state.trips, since=state.since, canaries=state.canary)

    def _counted(self, state: Closed, report: Report, now: float) -> State:
        policy = self.policy
        in_a_row = report.failed + (0 if report.ok else state.in_a_row)
        step = int(now // (policy.window_s / _STEPS))
        kept = [one for one in state.tally if step - _STEPS < one[0] < step]
        same = [one for one in state.tally if one[0] == step]
        ok, failed = sum(one[1] for one in same), sum(one[2] for one in same)
        tally = (*kept, (step, ok + report.ok, failed + report.failed))
        ended = sum(ok + failed for _, ok, failed in tally)
        died = sum(failed for _, _, failed in tally)
        too_many = ended >= policy.at_least and died >= policy.share * ended
        if report.failed and (in_a_row >= policy.errors_in_a_row or too_many):
            fresh = now - state.since > policy.forget_s
            trips = 1 if fresh else state.trips + 1
            until = now + policy.open_for_s(trips)
            return Open(until=until, trips=trips, since=now, canaries=state.canaries)
        return replace(state, in_a_row=in_a_row, tally=tally)


def to_json(state: State) -> dict[str, Any]:
    """The state as it is stored."""
    kinds = {Closed: "closed", Open: "open", HalfOpen: "half_open"}
    return {"state": kinds[type(state)]} | {
        name: getattr(state, name) for name in type(state).__dataclass_fields__
    }


def from_json(stored: dict[str, Any] | None) -> State:
    """The state as it was stored; nothing stored is a closed circuit."""
    if not stored:
        return CLOSED
    kind, values = stored["state"], {name: value for name, value in stored.items() if name != "state"}
    if kind == "closed":
        values["tally"] = tuple((step, ok, failed) for step, ok, failed in values["tally"])
        return Closed(**values)
    return Open(**values) if kind == "open" else HalfOpen(**values)
