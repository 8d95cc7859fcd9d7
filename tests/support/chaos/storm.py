"""A storm of faults: members killed, stopped, frozen and replaced at seeded times under a steady load."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.chaos.crew import Crew
from support.chaos.scene import Aftermath, scene
from support.chaos.schedule import Fault, Kind, restarts

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

    @property
    def faults(self) -> list[Fault]:
        """What strikes whom and when."""
        return restarts(
            self.seed, count=self.restarts, over_s=self.over_s, kinds=self.kinds, most_down_s=self.most_down_s
        )


async def rage(storm: Storm, *, servers: str, prefix: str, folder: Path) -> Aftermath:
    """Run the storm to its end, and print what came of it."""
    print(f"\nseed {storm.seed} (POSTA_TEST_SEED); ledger and logs in {folder}")
    settings = {"seed": storm.seed, **storm.settings}
    async with scene(servers, prefix, folder, partitions=storm.partitions, keys=storm.keys, **settings) as on:
        await on.crew.start(storm.members)
        feeding = asyncio.create_task(on.world.feed(0, storm.records, per_s=storm.records / storm.over_s))
        await on.until_ended(1)
        await strike(on.crew, storm.faults)
        await feeding
        await on.until_quiet(within_s=storm.quiet_s)
        after = await on.finish()
    print(after)
    return after


async def strike(crew: Crew, faults: Sequence[Fault]) -> None:
    """Carry out a schedule, and print it; faults overlap as it says, but never strike the last who stands."""
    began = time.monotonic()

    async def carry_out(fault: Fault) -> None:
        await asyncio.sleep(max(0.0, fault.at_s - (time.monotonic() - began)))
        while len(standing := [one for one in crew.alive if not one.is_struck]) < 2:  # noqa: ASYNC110 - processes
            await asyncio.sleep(_LOOK_S)
        victim = standing[int(fault.whom * len(standing))]
        victim.is_struck = True
        at_s = time.monotonic() - began
        print(f"{at_s:7.1f} s  {fault.kind} member {victim.number}, away {fault.down_s:.1f} s")
        if fault.kind is Kind.FREEZE:
            await crew.freeze(victim, fault.down_s)
            victim.is_struck = False
            return
        await (crew.kill(victim) if fault.kind is Kind.KILL else crew.terminate(victim))
        await asyncio.sleep(fault.down_s)
        await crew.start()

    async with asyncio.TaskGroup() as tasks:
        for fault in faults:
            tasks.create_task(carry_out(fault))
