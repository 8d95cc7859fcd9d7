"""The workers: long-lived tasks that take the next ready record and handle it.

A worker goes on from record to record for as long as handlers return at once; no task, lock, timer
or span is made for those. When one waits, the worker waits with it and wakes another.
"""

import asyncio
import time

from posta.engine.dispatch import Dispatcher
from posta.engine.endings import Endings, Fate
from posta.engine.handling import Handling
from posta.engine.meters import Meters
from posta.engine.partition import Work
from posta.tasks import end

_SLICE_S = 0.002
"""So long a worker goes on before the loop's other callbacks get their turn."""


class Workers:
    """``count`` of them, over all partitions."""

    def __init__(
        self, count: int, handling: Handling, dispatcher: Dispatcher, endings: Endings, meters: Meters
    ) -> None:
        self._count = count
        self._handling = handling
        self._dispatcher = dispatcher
        self._endings = endings
        self._meters = meters
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to take work."""
        self._tasks = [
            asyncio.create_task(self._work(), name=f"worker {number}") for number in range(self._count)
        ]

    async def stop(self) -> None:
        """End them; what they handle is cut off and stays undone."""
        await end(*self._tasks)
        await self._endings.stop()

    async def _work(self) -> None:
        me = asyncio.current_task()
        assert me is not None  # noqa: S101 - a coroutine of a task has one
        while True:
            await self._go_on_from(await self._dispatcher.take(), me)

    async def _go_on_from(self, first: Work, me: asyncio.Task[None]) -> None:
        # The hot loop: at hundreds of thousands of records a second each call in it shows, so its
        # parts are bound to local names and what rarely happens is done elsewhere.
        begin, next_work, done = self._handling.begin, self._dispatcher.next, self._dispatcher.done
        relieve, meters_of = self._endings.relieve, self._meters.of
        monotonic = time.monotonic
        work: Work | None = first
        now = monotonic()
        slice_ends = now + _SLICE_S
        while work is not None:
            work.started = now
            try:
                step = begin(work)
            except Exception as exc:  # noqa: BLE001 - told as what it is, a defect of the engine
                self._endings.defect(work, exc)
                step = Fate.ENDED
            if step is None:
                done(work)
                partition = work.partition
                before, now = now, monotonic()
                meters_of(partition.topic).seconds.observe(now - before)
                if partition.full_since is not None:
                    relieve(partition)
            elif isinstance(step, Fate):
                self._endings.let_go(work, step)
                now = monotonic()
            else:
                # This one waits, so another worker goes on with what is ready.
                self._dispatcher.wake()
                await self._endings.see_through(work, step, me)
                now = monotonic()
                slice_ends = now + _SLICE_S
            if now >= slice_ends:
                await asyncio.sleep(0)
                now = monotonic()
                slice_ends = now + _SLICE_S
            work = next_work()
