"""Hands work to the workers: each key in order, keys in turn, nothing while a gate is closed."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from posta.domain.keyqueue import KeyQueues
from posta.engine.partition import Partition, Work


class Dispatcher:
    """What may start next. Not a lock, not a task: plain state plus the workers waiting for it."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._queues: KeyQueues[tuple[Partition, bytes | int], Work] = KeyQueues()
        self._resumed: deque[Work] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._holds: dict[str, float] = {}
        self._exempt: tuple[str, Callable[[Work], None]] | None = None
        self._fresh_next = False

    @property
    def holds(self) -> frozenset[str]:
        """Why nothing is started now; empty when work flows."""
        return frozenset(self._holds)

    @property
    def held_since(self) -> Mapping[str, float]:
        """Since when each hold lasts, in seconds since the epoch."""
        return dict(self._holds)

    def push(self, work: Work) -> None:
        """Put a record behind the others of its key."""
        self._queues.push(work.key, work)
        self._wake()

    def resume(self, work: Work) -> None:
        """Let a record that waited in memory, and kept its key, go on before all others."""
        self._resumed.append(work)
        self._wake()

    def done(self, work: Work) -> None:
        """The key of ``work`` is free again."""
        self._queues.done(work.key)

    def hold(self, why: str) -> None:
        """Start nothing until ``release(why)``."""
        self._holds.setdefault(why, self._clock())

    def admit_one(self, despite: str, chosen: Callable[[Work], None]) -> None:
        """Let one record start although ``despite`` is held, and tell ``chosen`` which it is.

        It waits for other holds to end. Records that were kept and fresh ones are admitted in turns,
        so that one record that cannot succeed does not speak for all others.
        """
        self._exempt = despite, chosen
        self._wake()

    def release(self, why: str) -> None:
        """Take back one hold."""
        self._holds.pop(why, None)
        if self._exempt is not None and self._exempt[0] == why:
            self._exempt = None
            self._fresh_next = False
        for _ in range(len(self._idle)):
            self._wake()

    async def take(self) -> Work:
        """Wait for the next record that may start; its key is then held until ``done``."""
        while True:
            work = self._next()
            if work is not None:
                return work
            waiter = asyncio.get_running_loop().create_future()
            self._idle.append(waiter)
            await waiter

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Forget what waits of these partitions; it is read again by their next owner."""
        gone = set(partitions)
        self._queues.drop(lambda key: key[0] in gone)
        self._resumed = deque(work for work in self._resumed if work.partition not in gone)

    def _next(self) -> Work | None:
        if self._holds:
            return self._admitted()
        return self._next_resumed() or self._next_fresh()

    def _admitted(self) -> Work | None:
        if self._exempt is None or len(self._holds) > 1 or self._exempt[0] not in self._holds:
            return None
        sources = self._next_resumed, self._next_fresh
        first, second = reversed(sources) if self._fresh_next else sources
        work = first() or second()
        if work is not None:
            self._fresh_next = not self._fresh_next
            chosen, self._exempt = self._exempt[1], None
            chosen(work)
        return work

    def _next_resumed(self) -> Work | None:
        return self._resumed.popleft() if self._resumed else None

    def _next_fresh(self) -> Work | None:
        item = self._queues.next()
        return None if item is None else item[1]

    def _wake(self) -> None:
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
