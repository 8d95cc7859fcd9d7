"""A rebalance storm (F4): members killed, stopped and replaced at seeded times under a steady load."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.chaos.crew import Crew, crew
from support.chaos.ledger import Did, Reader
from support.chaos.schedule import Fault, Kind, restarts
from support.chaos.verdict import Verdict, judge
from support.chaos.watch import watching
from support.chaos.world import World, world
from support.engine_rig import GROUP, RESULTS

_LOOK_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Storm:
    """How much of everything."""

    members: int
    partitions: int
    records: int
    keys: int
    restarts: int
    over_s: float
    """The restarts happen within it; the records are written over the same time."""
    seed: int
    kinds: tuple[Kind, ...] = (Kind.TERMINATE, Kind.KILL)
    most_down_s: float = 3.0
    quiet_s: float = 120.0
    """Within it after the storm everything must be done."""
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Aftermath:
    """What is known when the storm is over and every member has been asked to stop."""

    verdict: Verdict
    errors: list[str]
    bad_stops: list[str]
    commit_faults: list[str]
    commit_looks: int
    expulsions: list[str]
    dead_letters: int
    results: set[str]
    """The ids of what was published."""
    stops: int
    slowest_stop_s: float
    faults: list[str]
    uncommitted: dict[int, int]
    """Partitions whose commit is not at their end."""
    seconds: float

    def check(self, records: int) -> None:
        """Every promise of F4."""
        assert self.verdict.records == records
        assert not self.verdict.lost
        assert not self.verdict.disordered
        assert not self.verdict.unexplained
        assert not self.errors
        assert not self.bad_stops
        assert not self.commit_faults
        assert self.commit_looks > 0
        assert self.dead_letters == 0
        assert not self.uncommitted

    def __str__(self) -> str:
        return (
            f"{self.verdict}; {self.stops} stops by SIGTERM, the slowest in {self.slowest_stop_s:.2f} s; "
            f"{len(self.errors)} error lines, {len(self.expulsions)} expulsions, "
            f"commits looked at {self.commit_looks} times; {self.seconds:.0f} s in all\n  "
            + "\n  ".join(self.faults)
        )


async def rage(storm: Storm, *, servers: str, prefix: str, folder: Path) -> Aftermath:
    """Run the storm to its end."""
    began = time.monotonic()
    settings = {"seed": storm.seed, **storm.settings}
    async with (
        world(servers, prefix, partitions=storm.partitions, keys=storm.keys) as around,
        crew(servers=servers, prefix=prefix, folder=folder, **settings) as members,
    ):
        reader = Reader(members.ledger)
        async with watching(around, reader) as watch:
            await members.start(storm.members)
            feeding = asyncio.create_task(around.feed(0, storm.records, per_s=storm.records / storm.over_s))
            await until_first_work(members)
            told = await strike(members, restart_schedule(storm))
            await feeding
            await until_done(around, watch.reader, storm.records, within_s=storm.quiet_s)
            async with asyncio.TaskGroup() as stopping:
                for member in members.alive:
                    stopping.create_task(members.terminate(member))
        return await _aftermath(around, members, watch.faults, watch.looks, reader, told, began)


def restart_schedule(storm: Storm) -> list[Fault]:
    """The storm's faults."""
    return restarts(
        storm.seed,
        count=storm.restarts,
        over_s=storm.over_s,
        kinds=storm.kinds,
        most_down_s=storm.most_down_s,
    )


async def strike(members: Crew, faults: list[Fault]) -> list[str]:
    """Carry out a schedule; faults overlap as it says, but the last living member is spared."""
    began, told = time.monotonic(), []

    async def carry_out(fault: Fault) -> None:
        await asyncio.sleep(max(0.0, fault.at_s - (time.monotonic() - began)))
        struck = [member for member in members.alive if not member.is_struck]
        while len(struck) < 2:
            await asyncio.sleep(_LOOK_S)
            struck = [member for member in members.alive if not member.is_struck]
        victim = struck[int(fault.whom * len(struck))]
        victim.is_struck = True
        at_s = time.monotonic() - began
        told.append(f"{at_s:6.1f} s  {fault.kind} member {victim.number}, away {fault.down_s:.1f} s")
        match fault.kind:
            case Kind.KILL:
                await members.kill(victim)
            case Kind.TERMINATE:
                await members.terminate(victim)
            case Kind.FREEZE:
                await members.freeze(victim, fault.down_s)
                victim.is_struck = False
                return
        await asyncio.sleep(fault.down_s)
        await members.start()

    async with asyncio.TaskGroup() as tasks:
        for fault in faults:
            tasks.create_task(carry_out(fault))
    return told


async def until_first_work(members: Crew) -> None:
    """The group has begun."""
    async with asyncio.timeout(60):
        while not members.ledger.exists() or not members.ledger.stat().st_size:  # noqa: ASYNC110 - other processes write it
            await asyncio.sleep(_LOOK_S)


async def until_done(around: World, reader: Reader, records: int, *, within_s: float) -> None:
    """Every record has ended once and is committed, or time is up: then the verdict says what has not."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        done = len({entry.record for entry in reader.entries if entry.did is Did.ENDED})
        if done >= records and await around.committed() == await around.ends():
            return
        await asyncio.sleep(_LOOK_S)


async def _aftermath(
    around: World,
    members: Crew,
    commit_faults: list[str],
    looks: int,
    reader: Reader,
    told: list[str],
    began: float,
) -> Aftermath:
    reader.read()
    commits, ends = await around.committed(), await around.ends()
    stops = [member.stopped_in_s for member in members.members if member.stopped_in_s is not None]
    return Aftermath(
        verdict=judge(await around.written(), reader.entries, members.excuses()),
        errors=members.errors(),
        bad_stops=members.bad_stops(),
        commit_faults=commit_faults,
        commit_looks=looks,
        expulsions=members.expulsions(),
        dead_letters=len(await around.read(GROUP.dlq.name)),
        results={dict(record.headers)["ce_id"].decode() for record in await around.read(RESULTS.name)},
        stops=len(stops),
        slowest_stop_s=max(stops, default=0.0),
        faults=told,
        uncommitted={p: end for p, end in ends.items() if commits.get(p) != end},
        seconds=time.monotonic() - began,
    )
