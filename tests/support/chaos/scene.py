"""One chaos test's world: topics, members, a watch on the commits, and what is to be said at its end."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.chaos.crew import Crew, crew
from support.chaos.ledger import Did, Entry, Reader
from support.chaos.verdict import Verdict, judge
from support.chaos.watch import CommitWatch, watching
from support.chaos.world import World, world
from support.engine_rig import GROUP, RESULTS

from posta.errors import Transient

_LOOK_S = 0.25


@dataclass(frozen=True, kw_only=True)
class Aftermath:
    """What is known when every member has been asked to stop."""

    verdict: Verdict
    events: int
    """Records of the source less those that were written twice."""
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
    uncommitted: dict[int, int]
    """Partitions whose commit is not at their end."""
    seconds: float

    def check(self) -> None:
        """Nothing lost, nothing out of order, commits right, stops clean, nothing given up."""
        assert self.verdict.records > 0
        assert not self.verdict.lost
        assert not self.verdict.disordered
        assert not self.commit_faults
        assert self.commit_looks > 0
        assert not self.bad_stops
        assert self.dead_letters == 0
        assert not self.uncommitted
        assert len(self.results) == self.events, "each result was published"

    def check_strictly(self) -> None:
        """And nothing was done twice without a kill or a lost session to explain it, and no error logged."""
        self.check()
        assert not self.verdict.unexplained
        assert not self.errors

    def __str__(self) -> str:
        return (
            f"{self.verdict}; {self.stops} stops by SIGTERM, the slowest in {self.slowest_stop_s:.2f} s; "
            f"{len(self.errors)} error lines, {len(self.expulsions)} lost sessions, "
            f"commits looked at {self.commit_looks} times; {self.seconds:.0f} s in all"
        )


@dataclass(kw_only=True)
class Scene:
    """What a test acts on."""

    world: World
    crew: Crew
    watch: CommitWatch
    began: float = field(default_factory=time.monotonic)

    def entries(self, did: Did | None = None) -> list[Entry]:
        """The ledger as far as it has been written, or what of it tells this."""
        self.watch.take_in()
        return [entry for entry in self.watch.reader.entries if did in {None, entry.did}]

    async def until(self, holds: Callable[[], bool], *, within_s: float = 60) -> None:
        """Wait for it; raises TimeoutError when it does not come true in time."""
        async with asyncio.timeout(within_s):
            while not holds():  # noqa: ASYNC110 - other processes make it true
                await asyncio.sleep(_LOOK_S)

    def ended(self) -> int:
        """How many records have ended at least once."""
        self.watch.take_in()
        return len(self.watch.ended)

    async def until_ended(self, records: int, *, within_s: float = 90) -> None:
        """So many records have, or time is up: the verdict then says which have not."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and self.ended() < records:  # noqa: ASYNC110 - as above
            await asyncio.sleep(_LOOK_S)

    async def until_quiet(self, *, within_s: float = 90) -> None:
        """All that was written has ended and is committed, or time is up."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and not await self._is_quiet():  # noqa: ASYNC110 - as above
            await asyncio.sleep(_LOOK_S)

    async def finish(self) -> Aftermath:
        """Ask every member to stop, and judge."""
        async with asyncio.TaskGroup() as stopping:
            for member in self.crew.alive:
                stopping.create_task(self.crew.terminate(member))
        await self.watch.look()
        commits, ends = await self.world.committed(), await self.world.ends()
        stops = [one.stopped_in_s for one in self.crew.members if one.stopped_in_s is not None]
        written = await self.world.written()
        return Aftermath(
            verdict=judge(written, self.entries(), self.crew.excuses()),
            events=len({one.number for one in written}),
            errors=self.crew.errors(),
            bad_stops=self.crew.bad_stops(),
            commit_faults=self.watch.faults,
            commit_looks=self.watch.looks,
            expulsions=self.crew.expulsions(),
            dead_letters=len(await self.world.read(GROUP.dlq.name)),
            results={
                dict(record.headers)["ce_id"].decode() for record in await self.world.read(RESULTS.name)
            },
            stops=len(stops),
            slowest_stop_s=max(stops, default=0.0),
            uncommitted={p: end for p, end in ends.items() if commits.get(p) != end},
            seconds=time.monotonic() - self.began,
        )

    async def _is_quiet(self) -> bool:
        ends = await self.world.ends()
        # What rides a lane is committed, and has not ended.
        if self.ended() < sum(ends.values()):
            return False
        try:
            return await self.world.committed() == ends
        except Transient:
            return False


@asynccontextmanager
async def scene(
    servers: str,
    prefix: str,
    folder: Path,
    *,
    partitions: int = 4,
    keys: int = 40,
    copies: int = 1,
    **settings: object,
) -> AsyncIterator[Scene]:
    """A scene for the block; ``settings`` are those of its members (a Conduct's, and session_timeout_s)."""
    async with (
        world(servers, prefix, partitions=partitions, keys=keys, copies=copies) as around,
        crew(servers=servers, prefix=prefix, folder=folder, **settings) as members,
        watching(around, Reader(members.ledger)) as watch,
    ):
        yield Scene(world=around, crew=members, watch=watch)
