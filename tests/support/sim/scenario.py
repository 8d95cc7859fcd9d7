"""What happens in one simulated run: records with the ends of their handlings, and what goes wrong when.

A scenario is a frozen value, so hypothesis can draw and shrink it, a seed can make it, and a
counterexample can be kept as a table case: its ``repr`` is the code that makes it again.
"""

import random
from dataclasses import dataclass, replace
from enum import Enum

from hypothesis import strategies as st


class _Named(Enum):
    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"


class End(_Named):
    """How one handling ends; ``seconds`` of the outcome is what the comment says."""

    OK = "ok"
    """Returns an event to publish."""
    SILENT = "silent"
    """Returns nothing: the effect is the handler's own."""
    TRANSIENT = "transient"
    """Raises ``Transient``; asks for a wait, unless 0."""
    NOT_NOW = "not now"
    """Raises ``NotNow``; the wait."""
    PERMANENT = "permanent"
    EXPIRED = "expired"
    UNEXPECTED = "unexpected"
    HANG = "hang"
    """Runs until it is cancelled."""
    AWAY = "away"
    """Raises ``Unavailable``; the gate opens after so long."""


@dataclass(frozen=True)
class Outcome:
    """One handling."""

    end: End = End.OK
    seconds: float = 0.0
    lasts_s: float = 0.05


@dataclass(frozen=True)
class Planned:
    """One record of the source topic; a handling beyond the planned outcomes ends well."""

    at: float
    key: str | None = "a"
    outcomes: tuple[Outcome, ...] = ()
    expires_s: float | None = None
    """Its deadline, so long after it was written."""
    filling: int = 0
    """So many bytes more in its value."""


class What(_Named):
    """What goes wrong, or is done to a member; ``amount`` is what the comment says."""

    KILL = "kill"
    """kill -9; started again after so many seconds."""
    TERM = "term"
    """SIGTERM; started again after so many seconds."""
    FREEZE = "freeze"
    """SIGSTOP; SIGCONT after so many seconds."""
    CLOCK = "clock"
    """Its wall clock jumps by so many seconds."""
    REBALANCE = "rebalance"
    """The coordinator begins a new round."""
    KAFKA_AWAY = "kafka away"
    """Every request is refused for so many seconds."""
    PUBLISH_LOST = "publish lost"
    """So many publishes are written and never confirmed."""
    PUBLISH_UNSENT = "publish unsent"
    """So many publishes never arrive."""
    PUBLISH_FAILED = "publish failed"
    """So many publishes are refused for good."""
    COMMIT_LOST = "commit lost"
    COMMIT_UNSENT = "commit unsent"
    COMMIT_FAILED = "commit failed"
    FETCH_FAILED = "fetch failed"
    """So many fetches fail with an error that aiokafka hands to the poll."""
    GROW = "grow"
    """Every topic gets so many partitions more."""
    GROUP_UNSENT = "group unsent"
    """So many joins, heartbeats or farewells never arrive."""
    GROUP_LOST = "group lost"
    """So many joins, heartbeats or farewells are carried out and never answered."""
    GROUP_LATE = "group late"
    """So many are carried out after they have been given up and repeated."""
    LEADERLESS = "leaderless"
    """Partition 0 of each lane has no leader for so many seconds."""
    TWIN = "twin"
    """A second process starts with the id of a static member; never drawn."""


@dataclass(frozen=True)
class Event:
    """One thing done to the world; ``member`` counts from 0."""

    at: float
    what: What
    member: int = 0
    amount: float = 1.0


@dataclass(frozen=True)
class Scenario:
    """A whole run."""

    records: tuple[Planned, ...]
    events: tuple[Event, ...] = ()
    members: int = 2
    partitions: int = 2
    ordering: str = "KEY"
    """Name of an ``Ordering``; ordered retries need ``KEY``."""
    ordered: bool = False
    holds: bool = False
    """With ordered retries: a dead letter holds its key, and dead letters are replayed in the end."""
    concurrency: int = 4
    max_held: int = 512
    """``Bounds.records_per_partition``."""
    flood_row: int | None = None
    """Dead letters in a row that trip the flood breaker; None: there is none."""
    lane_bytes: int | None = None
    """The largest record that the lanes take; None: any."""
    dlq_bytes: int | None = None
    """The same of the dead letters."""
    static: bool = False
    """Members have instance ids: one that stops keeps its partitions for as long as its session lasts."""
    seed: int = 0

    @property
    def releases(self) -> bool:
        """Whether an admin releases held keys in the end, instead of replaying what holds them."""
        return self.holds_keys and self.seed % 3 == 0

    @property
    def holds_keys(self) -> bool:
        """Whether what is behind a dead letter waits for its replay."""
        return self.ordered and self.holds

    @property
    def jumps(self) -> float:
        """Seconds by which clocks jump, in all."""
        return sum(abs(event.amount) for event in self.events if event.what is What.CLOCK)


HARMLESS = frozenset({What.TERM, What.REBALANCE, What.CLOCK, What.FETCH_FAILED})
"""What may cost neither a double nor a dead letter that was answered."""
_LASTS = (0.0, 0.05, 0.4, 2.0)
_WAITS = (0.0, 0.5, 1.9, 3.0, 12.0, 25.0)
_AMOUNTS: dict[What, tuple[float, ...]] = {
    What.KILL: (0.5, 3.0, 12.0),
    What.TERM: (0.0, 0.5, 5.0),
    What.FREEZE: (1.0, 5.0, 15.0),
    What.CLOCK: (-600.0, -20.0, 20.0, 600.0),
    What.REBALANCE: (0.0,),
    What.KAFKA_AWAY: (0.5, 4.0, 12.0),
    What.GROW: (1.0, 2.0),
    What.LEADERLESS: (1.0, 8.0, 20.0),
}
_COUNTS = (1.0, 2.0, 4.0)
MAX_MEMBERS = 3
LARGE_BYTES = 20_000
_SMALL_BYTES = 8_000
_ORDERINGS = ("KEY", "KEY", "PARTITION", "UNORDERED")


_DRAWN = tuple(what for what in What if what is not What.TWIN)
_LATER = (What.LEADERLESS, What.GROUP_LOST, What.GROUP_LATE)
_SEEDED = tuple(what for what in _DRAWN if what not in _LATER)
"""What seeds began with: a kind that came later is drawn last, so that each seed's run stays what it was."""


def _outcomes() -> st.SearchStrategy[Outcome]:
    ends = [End.OK, End.TRANSIENT, End.TRANSIENT, End.PERMANENT, *(e for e in End if e is not End.TRANSIENT)]
    return st.builds(
        Outcome, end=st.sampled_from(ends), seconds=st.sampled_from(_WAITS), lasts_s=st.sampled_from(_LASTS)
    )


def _records() -> st.SearchStrategy[Planned]:
    return st.builds(
        Planned,
        at=st.integers(0, 40).map(lambda half: half / 2),
        key=st.sampled_from(["a", "a", "b", "c", "d", None]),
        outcomes=st.lists(_outcomes(), max_size=3).map(tuple),
        expires_s=st.sampled_from([None, None, None, 20.0]),
        filling=st.sampled_from([0, 0, 0, LARGE_BYTES]),
    )


@st.composite
def _event(draw: st.DrawFn, kinds: tuple[What, ...]) -> Event:
    what = draw(st.sampled_from(kinds))
    return Event(
        at=draw(st.integers(0, 60)) / 2 + draw(st.sampled_from([0.0, 0.03, 0.21])),
        what=what,
        member=draw(st.integers(0, MAX_MEMBERS - 1)),
        amount=draw(st.sampled_from(_AMOUNTS.get(what, _COUNTS))),
    )


def _events() -> st.SearchStrategy[tuple[Event, ...]]:
    """Of all kinds; or only of those that may cost no double, where the ledger is strictest."""
    calm = tuple(sorted(HARMLESS, key=lambda what: what.value))
    lists = st.sampled_from([_DRAWN, _DRAWN, calm]).flatmap(lambda kinds: st.lists(_event(kinds), max_size=5))
    return lists.map(lambda found: tuple(sorted(found, key=lambda one: one.at)))


def scenarios(*, ordered: bool) -> st.SearchStrategy[Scenario]:
    """Runs with ordered or with independent retries."""
    return st.builds(
        Scenario,
        records=st.lists(_records(), min_size=1, max_size=12).map(
            lambda found: tuple(sorted(found, key=lambda one: one.at))
        ),
        events=_events(),
        members=st.integers(1, MAX_MEMBERS),
        partitions=st.integers(1, 3),
        ordering=st.just("KEY") if ordered else st.sampled_from(_ORDERINGS),
        ordered=st.just(ordered),
        holds=st.booleans() if ordered else st.just(False),
        concurrency=st.sampled_from([1, 4, 16]),
        max_held=st.sampled_from([2, 512]),
        flood_row=st.sampled_from([None, None, 3]),
        lane_bytes=st.sampled_from([None, None, _SMALL_BYTES]),
        dlq_bytes=st.sampled_from([None, None, _SMALL_BYTES]),
        static=st.booleans(),
        seed=st.integers(0, 1000),
    )


def seeded(seed: int, *, most_records: int = 40, most_events: int = 10) -> Scenario:
    """The scenario of a seed, larger than hypothesis draws: for long runs that do not shrink."""
    draw = random.Random(seed)

    def outcome() -> Outcome:
        end = draw.choice([*End, End.TRANSIENT, End.TRANSIENT, End.OK, End.OK])
        return Outcome(end, draw.choice(_WAITS), draw.choice(_LASTS))

    def record() -> Planned:
        return Planned(
            at=round(draw.uniform(0, 25), 2),
            key=draw.choice(["a", "a", "b", "c", "d", "e", None]),
            outcomes=tuple(outcome() for _ in range(draw.choice([0, 0, 1, 1, 2, 3]))),
            expires_s=draw.choice([None] * 5 + [20.0]),
            filling=draw.choice([0, 0, 0, LARGE_BYTES]),
        )

    # Some runs in which nothing may cost a double: there the ledger is strictest.
    kinds = sorted(HARMLESS, key=lambda what: what.value) if draw.random() < 0.3 else list(_SEEDED)

    def event() -> Event:
        what = draw.choice(kinds)
        amount = draw.choice(_AMOUNTS.get(what, _COUNTS))
        return Event(round(draw.uniform(0, 40), 2), what, draw.randrange(MAX_MEMBERS), amount)

    ordered = draw.random() < 0.5
    scenario = Scenario(
        records=tuple(sorted((record() for _ in range(draw.randint(1, most_records))), key=lambda r: r.at)),
        events=tuple(sorted((event() for _ in range(draw.randint(0, most_events))), key=lambda e: e.at)),
        members=draw.randint(1, MAX_MEMBERS),
        partitions=draw.randint(1, 4),
        ordering="KEY" if ordered else draw.choice(_ORDERINGS),
        ordered=ordered,
        concurrency=draw.choice([1, 4, 16]),
        max_held=draw.choice([2, 8, 512]),
        flood_row=draw.choice([None, None, None, 3, 5]),
        lane_bytes=draw.choice([None, None, _SMALL_BYTES]),
        dlq_bytes=draw.choice([None, None, _SMALL_BYTES]),
        holds=draw.random() < 0.5,
        seed=seed,
    )
    later = random.Random(f"later {seed}")
    leaderless = Event(round(later.uniform(0, 30), 2), What.LEADERLESS, 0, later.choice([1.0, 8.0, 20.0]))
    static = later.random() < 0.3
    more = [leaderless] if later.random() < 0.2 else []
    if later.random() < 0.3:
        unheard = later.choice([What.GROUP_LOST, What.GROUP_LATE])
        member, count = later.randrange(MAX_MEMBERS), later.choice(_COUNTS)
        more.append(Event(round(later.uniform(0, 30), 2), unheard, member, count))
    return replace(scenario, static=static, events=(*scenario.events, *more))
