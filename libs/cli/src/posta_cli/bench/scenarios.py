"""The engine's scenarios, as measured in full and, with fewer records, as tried out.

Rule: the engine is set as any service may set it. Only ``instant`` hands the record over undecoded
(``interpret=as_raw``, as dlq-admin does), because its peers decode nothing there either.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from posta_cli.bench.contenders import Program
from posta_cli.bench.figures import AtLeast, AtLeastTimes, AtMost, AtMostAbove, NoteAtMost
from posta_cli.bench.load import Keys, Load
from posta_cli.bench.scenario import (
    Entrant,
    Scenario,
    early,
    growth_mib,
    late_p99_s,
    others_rate,
    peak_mib,
    rate,
    start_s,
)

_LANE_CONCURRENCY = 64
_FLAKY_LANE_S = 1
"""Short against the run, so that most of it pays for failures that leave and for those that come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything."""

    name: str
    instant: int
    flaky: int
    sleeping: int
    backlog: int
    paced_s: float
    due_per_s: int
    due_lane_s: int
    limit_s: float


FULL = Size(
    name="full",
    instant=1_000_000,
    flaky=400_000,
    sleeping=12_800,
    backlog=1_000_000,
    paced_s=10,
    due_per_s=1_000,
    due_lane_s=50,
    limit_s=30,
)
QUICK = Size(
    name="quick",
    instant=100_000,
    flaky=100_000,
    sleeping=2_560,
    backlog=50_000,
    paced_s=4,
    due_per_s=200,
    due_lane_s=5,
    limit_s=20,
)


def with_records(size: Size, records: int) -> Size:
    """The size with at most so many records wherever records are counted; to try the bench itself."""
    fewer = {name: min(records, getattr(size, name)) for name in ("instant", "flaky", "sleeping", "backlog")}
    return replace(size, name=f"{size.name}, {records} records", **fewer)


def scenarios(size: Size) -> tuple[Scenario, ...]:
    """Every scenario, in the order in which they run."""
    return tuple(make(size) for make in _SCENARIOS)


def _instant(size: Size) -> Scenario:
    load = Load(records=size.instant)
    entrant = _entrants(load, size)
    return Scenario(
        name="instant",
        title="handlers that return at once; 300-byte records, 8 partitions, 256 keys, not decoded",
        unit="records/s",
        value=rate,
        ours=entrant("posta", Program.POSTA, "raw"),
        peers=(
            entrant("bare", Program.BARE, "raw"),
            entrant("parallel-consumer", Program.PARALLEL_CONSUMER, "key"),
            entrant("faststream", Program.FASTSTREAM, "ack-first"),
            entrant("faststream-ack-after", Program.FASTSTREAM, "ack-after"),
            entrant("faststream-256", Program.FASTSTREAM, "unordered"),
        ),
        targets=(
            AtLeastTimes(3, "parallel-consumer"),
            AtLeastTimes(15, "faststream-256"),
            AtLeastTimes(0.3, "bare"),
        ),
    )


def _decoded(size: Size) -> Scenario:
    entrant = _entrants(Load(records=size.instant, events=True), size)
    return Scenario(
        name="decoded",
        title="the same with envelope and value decoded, and a trace that is not sampled",
        unit="records/s",
        value=rate,
        ours=entrant("posta", Program.POSTA, "decoded"),
        peers=(entrant("bare-decoding", Program.BARE, "decoded"),),
        targets=(AtLeastTimes(0.5, "bare-decoding"),),
    )


def _sleeping(size: Size) -> Scenario:
    handler_s, concurrency = 0.2, 256
    load = Load(records=size.sleeping)

    def entrant(name: str, program: Program, mode: str) -> Entrant:
        return replace(_entrants(load, size)(name, program, mode), handler_s=handler_s)

    return Scenario(
        name="sleeping",
        title="handlers of 200 ms, 256 keys, concurrency 256",
        unit="records/s",
        value=rate,
        ours=entrant("posta", Program.POSTA, "raw"),
        peers=(
            entrant("parallel-consumer", Program.PARALLEL_CONSUMER, "key"),
            entrant("faststream-256", Program.FASTSTREAM, "unordered"),
            entrant("one-at-a-time", Program.BARE, "one-at-a-time"),
        ),
        targets=(
            AtLeast(0.98 * concurrency / handler_s),
            AtLeastTimes(30, "one-at-a-time"),
        ),
    )


def _hot_key(size: Size) -> Scenario:
    title = "one key has half of a steady 1 000 records/s and cannot keep up; 10 ms handlers"
    return _uneven(size, "hot-key", title, Keys.HOT)


def _zipf(size: Size) -> Scenario:
    title = "keys by Zipf's law at a steady 1 000 records/s, the first cannot keep up; 10 ms handlers"
    return _uneven(size, "zipf", title, Keys.ZIPF)


def _uneven(size: Size, name: str, title: str, keys: Keys) -> Scenario:
    load = Load(records=int(1_000 * size.paced_s), keys=keys, rate=1_000)
    ours = Entrant(
        name="posta",
        program=Program.POSTA,
        mode="paced",
        load=load,
        handler_s=0.01,
        limit_s=size.paced_s + 3,
        finishes=False,
    )
    without = replace(ours, name="without-hot-key", load=replace(load, without_hot=True))
    return Scenario(
        name=name,
        title=f"{title}; what the other keys get",
        unit="records/s",
        value=others_rate,
        ours=ours,
        peers=(without,),
        targets=(AtLeastTimes(0.95, "without-hot-key"),),
    )


def _flaky(size: Size) -> Scenario:
    load = Load(records=size.flaky, events=True)

    def entrant(name: str, program: Program, mode: str) -> Entrant:
        return replace(_entrants(load, size)(name, program, mode), lane_s=_FLAKY_LANE_S)

    return Scenario(
        name="flaky",
        title="one record in a hundred fails once and rides a lane of 1 s; decoded, handlers at once",
        unit="records/s",
        value=rate,
        ours=entrant("posta", Program.POSTA, "flaky"),
        peers=(entrant("without-failures", Program.POSTA, "unfailing"),),
        targets=(AtLeastTimes(0.9, "without-failures"),),
    )


def _lanes(size: Size) -> Scenario:
    waiting = size.due_per_s * size.due_lane_s
    records = waiting + 10 * size.due_per_s
    load = Load(records=records, events=True, rate=size.due_per_s)
    ours = Entrant(
        name="posta",
        program=Program.POSTA,
        mode="waiting",
        load=load,
        concurrency=_LANE_CONCURRENCY,
        lane_s=size.due_lane_s,
        limit_s=load.duration_s + size.due_lane_s + 15,
    )
    return Scenario(
        name="lanes",
        title=f"a lane with {waiting} records waiting, {size.due_per_s} of them due each second",
        unit="s late (p99)",
        value=late_p99_s,
        ours=ours,
        peers=(),
        targets=(AtMost(0.25), NoteAtMost(0, "early"), NoteAtMost(16, "MiB from a fifth waiting to all")),
        notes={"early": early, "MiB from a fifth waiting to all": growth_mib},
    )


def _backlog(size: Size) -> Scenario:
    ours = Entrant(
        name="posta",
        program=Program.POSTA,
        mode="raw",
        load=Load(records=size.backlog, value_bytes=1024),
        concurrency=_LANE_CONCURRENCY,
        handler_s=0.05,
        limit_s=size.limit_s / 2,
        finishes=False,
    )
    idle = replace(ours, name="idle", mode="idle", load=Load(records=0), limit_s=5.0)
    return Scenario(
        name="backlog",
        title=f"{size.backlog} records of 1 KiB wait, handlers take 50 ms; peak memory",
        unit="MiB",
        value=peak_mib,
        ours=ours,
        peers=(idle,),
        targets=(AtMostAbove(64, "idle"),),
    )


def _start(size: Size) -> Scenario:
    entrant = _entrants(Load(records=1), size)
    return Scenario(
        name="start",
        title="from the start of the process to the first record handled, on a running broker",
        unit="s",
        value=start_s,
        ours=entrant("posta", Program.POSTA, "raw"),
        peers=(
            entrant("bare", Program.BARE, "raw"),
            entrant("parallel-consumer", Program.PARALLEL_CONSUMER, "key"),
            entrant("faststream", Program.FASTSTREAM, "ack-first"),
        ),
        targets=(AtMost(1.5),),
    )


def _entrants(load: Load, size: Size) -> Callable[[str, Program, str], Entrant]:
    def entrant(name: str, program: Program, mode: str) -> Entrant:
        return Entrant(name=name, program=program, mode=mode, load=load, limit_s=size.limit_s)

    return entrant


_SCENARIOS = (_instant, _decoded, _sleeping, _hot_key, _zipf, _flaky, _lanes, _backlog, _start)
