"""Hands work to the workers: each key in order, everyone in turn, nothing while intake is held.

kept records (their keys are theirs)  ─┐ three in a row at most
topics ─▶ partitions ─▶ keys, in turn ─┴─▶ a worker
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from posta.domain.turns import Turns
from posta.engine.partition import Partition, Phase, Work

_KEPT_IN_A_ROW = 3
"""Of the records that go on after a wait in memory; then one of the others, so that these do not starve."""
_OPEN = Phase.OPEN


class Dispatcher:
    """What may start next. Not a lock, not a task: plain state plus the workers waiting for it.

    ``weights`` are the topics' shares (see ``posta.domain.turns``), lanes included.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        *,
        weights: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._clock = clock
        self._turns: Turns[Work] = Turns(weights)
        self._kept: deque[Work] = deque()
        self._kept_in_a_row = 0
        self._idle: deque[asyncio.Future[None]] = deque()
        self._coming = 0
        """Workers that were woken and have not looked yet: one at a time is enough."""
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
        """Put a record behind the others of its line."""
        self.push_all(work.partition, (work,))

    def push_all(self, partition: Partition, works: Sequence[Work]) -> None:
        """Put records of a partition behind the others of their lines."""
        queues = partition.queues
        push = queues.push
        for work in works:
            push(work)
        if queues.ready and not queues.is_in_turn:
            self._turns.join(partition.topic, queues)
        self.wake()

    def resume(self, work: Work) -> None:
        """Let a record that waited in memory, and kept its key, go on before others."""
        self._kept.append(work)
        self.wake()

    def done(self, work: Work) -> None:
        """``work``, taken once, has ended: the next of its line may start."""
        partition = work.partition
        if partition.phase is _OPEN:
            queues = partition.queues
            queues.done(work)
            if queues.ready and not queues.is_in_turn:
                self._turns.join(partition.topic, queues)

    def hold(self, why: str) -> None:
        """Start nothing until ``release(why)``."""
        self._holds.setdefault(why, self._clock())

    def admit_one(self, despite: str, chosen: Callable[[Work], None]) -> None:
        """Let one record start although ``despite`` is held, and tell ``chosen`` which it is.

        It waits for other holds to end. Records that were kept and fresh ones are admitted in turns,
        so that one record that cannot succeed does not speak for all others.
        """
        self._exempt = despite, chosen
        self.wake()

    def release(self, why: str) -> None:
        """Take back one hold."""
        self._holds.pop(why, None)
        if self._exempt is not None and self._exempt[0] == why:
            self._exempt = None
            self._fresh_next = False
        self.wake()

    def next(self) -> Work | None:
        """The next record that may start, if any; it keeps its line until ``done``."""
        if self._holds:
            return self._admitted()
        if self._kept and (self._kept_in_a_row < _KEPT_IN_A_ROW or not self._turns):
            self._kept_in_a_row += 1
            return self._kept.popleft()
        self._kept_in_a_row = 0
        return self._turns.next()

    async def take(self) -> Work:
        """Wait for the next record that may start."""
        while True:
            work = self.next()
            if work is not None:
                return work
            await self._idly()

    def wake(self) -> None:
        """Bring a waiting worker if there is something to start and none is on its way."""
        while self._idle and not self._coming and self._has_work():
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._coming += 1

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Forget what waits of these partitions; it is read again by their next owner."""
        gone = set(partitions)
        for partition in gone:
            self._turns.drop(partition.topic, partition.queues)
            partition.queues.clear()
        self._kept = deque(work for work in self._kept if work.partition not in gone)

    async def _idly(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._idle.append(waiter)
        try:
            await waiter
        finally:
            if waiter.done() and not waiter.cancelled():
                self._coming -= 1
                if (current := asyncio.current_task()) is not None and current.cancelling():
                    # Woken and ended at once: the call is for another one.
                    self.wake()

    def _has_work(self) -> bool:
        if self._holds:
            return self._may_admit() and bool(self._kept or self._turns)
        return bool(self._kept or self._turns)

    def _may_admit(self) -> bool:
        return self._exempt is not None and len(self._holds) == 1 and self._exempt[0] in self._holds

    def _admitted(self) -> Work | None:
        if self._exempt is None or not self._may_admit():
            return None
        kept_first = bool(self._kept) and not (self._fresh_next and self._turns)
        work = self._kept.popleft() if kept_first else self._turns.next()
        if work is not None:
            self._fresh_next = not self._fresh_next
            chosen, self._exempt = self._exempt[1], None
            chosen(work)
        return work
