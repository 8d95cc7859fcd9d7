"""Hands work to the workers: each key in order, keys in turn, nothing while a gate is closed."""

import asyncio
from collections import deque
from collections.abc import Iterable

from posta.domain.keyqueue import KeyQueues
from posta.engine.partition import Partition, Work


class Dispatcher:
    """What may start next. Not a lock, not a task: plain state plus the workers waiting for it."""

    def __init__(self) -> None:
        self._queues: KeyQueues[tuple[Partition, bytes | int], Work] = KeyQueues()
        self._resumed: deque[Work] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._holds: set[str] = set()

    @property
    def holds(self) -> frozenset[str]:
        """Why nothing is started now; empty when work flows."""
        return frozenset(self._holds)

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
        self._holds.add(why)

    def release(self, why: str) -> None:
        """Take back one hold."""
        self._holds.discard(why)
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
            return None
        if self._resumed:
            return self._resumed.popleft()
        item = self._queues.next()
        return None if item is None else item[1]

    def _wake(self) -> None:
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
