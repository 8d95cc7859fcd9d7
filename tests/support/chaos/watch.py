"""Watches the group's commits while faults go on (I6): nothing undone below them, none going back."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.chaos.ledger import Did, Reader
from support.chaos.world import World

from posta.errors import Transient

_EVERY_S = 1.0


class CommitWatch:
    """What was found wrong with the commits, and the ledger as far as it has been read."""

    def __init__(self, world: World, reader: Reader) -> None:
        self._world = world
        self.reader = reader
        self._settled: dict[int, set[int]] = defaultdict(set)
        self._seen: dict[int, int] = defaultdict(int)
        self.ended: set[tuple[int, int]] = set()
        """Every record that has ended once."""
        self.faults: list[str] = []
        self.looks = 0

    async def look(self) -> None:
        """Compare what is committed now with what the ledger says is done."""
        try:
            # First the commits: the ledger is always ahead of them.
            commits = await self._world.committed()
        except Transient:
            return  # the broker is away, which is some tests' very point
        self.take_in()
        self.looks += 1
        for partition, offset in commits.items():
            before = self._seen[partition]
            if offset < before:
                self.faults.append(f"partition {partition}: the commit went from {before} back to {offset}")
            undone = [one for one in range(before, offset) if one not in self._settled[partition]]
            if undone:
                self.faults.append(f"partition {partition}: {offset} was committed before {undone} was done")
            self._seen[partition] = max(before, offset)

    def take_in(self) -> None:
        """Read what the ledger has grown by."""
        for entry in self.reader.read():
            if entry.did in {Did.ENDED, Did.FAILED}:
                self._settled[entry.partition].add(entry.offset)
            if entry.did is Did.ENDED:
                self.ended.add(entry.record)

    async def watch(self, over: asyncio.Event) -> None:
        """Look once a second until it is over; never cancelled, as that would leave connections behind."""
        while not over.is_set():
            await self.look()
            await asyncio.sleep(_EVERY_S)


@asynccontextmanager
async def watching(world: World, reader: Reader) -> AsyncIterator[CommitWatch]:
    """A watch for the block; what broke the watch itself is raised at the end."""
    watch, over = CommitWatch(world, reader), asyncio.Event()
    task = asyncio.create_task(watch.watch(over))
    try:
        yield watch
    finally:
        over.set()
        await task
