"""Takes partitions over and gives them back: what is assigned, what a revocation does.

    assigned ─▶ what an earlier owner finished is read from its commit, the order of keys is rebuilt
    revoked, or shutting down ─▶ start nothing ─▶ drain, bounded ─▶ commit ─▶ close ─▶ cancel what is left

The order of a revocation matters: completions during the drain are committed, later ones never are.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, MutableMapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from posta.domain.commit_metadata import decode
from posta.engine.commits import Committer
from posta.engine.dispatch import Dispatcher
from posta.engine.meters import Meters
from posta.engine.ordered import Ordered
from posta.engine.partition import Partition, Phase
from posta.engine.positions import Positions
from posta.engine.rebuild import Rebuild, Restored
from posta.errors import Transient
from posta.kafka.offsets import committed
from posta.settings import KafkaSettings
from posta.telemetry.logs import get_logger
from posta.topics import Group

log = get_logger(__name__)
_RESTORE_S = 5.0
_LOOK_S = 0.02


class Handover:
    """One engine's ``partitions``, coming and going; ``number`` counts the assignments.

    ``progressed`` is called while a drain goes on: the loop is not stuck then.
    """

    def __init__(
        self,
        group: Group,
        kafka: KafkaSettings,
        partitions: MutableMapping[TopicPartition, Partition],
        *,
        drain_s: float,
        committer: Committer,
        dispatcher: Dispatcher,
        meters: Meters,
        ordered: Ordered | None,
        positions: Positions,
        progressed: Callable[[], None],
    ) -> None:
        self._group = group
        self._kafka = kafka
        self._partitions = partitions
        self._drain_s = drain_s
        self._committer = committer
        self._dispatcher = dispatcher
        self._meters = meters
        self._ordered = ordered
        self._positions = positions
        self._progressed = progressed
        self.send_on: Callable[[Collection[Partition]], None] = lambda _partitions: None
        """Told which partitions go, while what it publishes for them can still be drained."""
        self._rebuild = None if ordered is None else Rebuild(group, kafka, ordered)
        self._restored = asyncio.Event()
        self._restored.set()
        self._finished_before: dict[TopicPartition, frozenset[int]] = {}
        self._giving_back = asyncio.Lock()
        self.number = 0

    @property
    def order_fault(self) -> str | None:
        """Why partitions wait for the order of their keys, if they do."""
        return None if self._rebuild is None else self._rebuild.fault

    def holds_back(self, tp: TopicPartition) -> bool:
        """Whether the order of the keys in ``tp`` does not stand yet."""
        return self._rebuild is not None and self._rebuild.holds_back(tp.partition)

    async def restored(self) -> None:
        """Wait until it is known what earlier owners finished."""
        await self._restored.wait()

    def finished_before(self, tp: TopicPartition) -> frozenset[int]:
        """What an earlier owner of a new partition finished above its watermark; to be asked once."""
        return self._finished_before.pop(tp, frozenset())

    async def take(self, assigned: Collection[TopicPartition], consumer: AIOKafkaConsumer | None) -> None:
        """Begin with ``assigned``."""
        self.number += 1
        self._finished_before.clear()
        if self._rebuild is None:
            self._restored.clear()
            try:
                await self._restore(list(assigned), consumer)
            finally:
                self._restored.set()
        elif consumer is not None and assigned:
            self._rebuild.begin(consumer, assigned, lambda restored: self._take_up(restored, consumer))
        self._meters.assigned(assigned)
        log.info("partitions_assigned", group=self._group.name, count=len(assigned))

    async def give_back(self, consumer: AIOKafkaConsumer | None) -> None:
        """Give every partition back; what runs gets ``drain_s`` to finish."""
        self.number += 1
        # A rebalance and the replacing of a broken client may both ask for it at once; A5: no poll holds it.
        async with self._giving_back:
            if self._rebuild is not None:
                await self._rebuild.cancel()
            if self._ordered is not None:
                self._ordered.stop_starting()
            try:
                partitions = list(self._partitions.values())
                if partitions:
                    await self._hand_back(partitions, consumer)
            finally:
                if self._ordered is not None:
                    self._ordered.forget()

    def abandon(self, partitions: Iterable[Partition]) -> None:
        """Close ``partitions`` at once; what still runs is cancelled and left to the next owner."""
        abandoned = list(partitions)
        self._dispatcher.drop(abandoned)
        for partition in abandoned:
            partition.phase = Phase.CLOSED
            partition.waiting.clear()
            for ending in list(partition.running.values()):
                ending.cancel()

    async def _hand_back(self, partitions: list[Partition], consumer: AIOKafkaConsumer | None) -> None:
        for partition in partitions:
            partition.phase = Phase.DRAINING
            partition.waiting.clear()
        self._dispatcher.drop(partitions)
        self.send_on(partitions)
        try:
            await self._drain(partitions)
            if consumer is not None:
                await self._committer.commit(consumer)
        finally:
            # Also when it took too long and was cut: nothing of them may meet the next assignment.
            self.abandon(partitions)
            self._partitions.clear()

    async def _drain(self, partitions: list[Partition]) -> None:
        deadline = time.monotonic() + self._drain_s
        while any(partition.running for partition in partitions):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                left = sum(len(partition.running) for partition in partitions)
                log.warning("drain_incomplete", group=self._group.name, handed_back=left)
                return
            self._progressed()
            await asyncio.sleep(min(_LOOK_S, left_s))

    async def _restore(self, assigned: list[TopicPartition], consumer: AIOKafkaConsumer | None) -> None:
        if not assigned:
            return
        group = self._kafka.topic_prefix + self._group.name
        try:
            stored = await committed(self._kafka, group=group, partitions=assigned, timeout_s=_RESTORE_S)
        except Transient as exc:
            # The only cost: records finished above the watermark are done again.
            log.warning("finished_records_not_restored", group=group, error=str(exc))
            return
        await self._take_up(Restored(frozenset(assigned), stored), consumer)

    async def _take_up(self, restored: Restored, consumer: AIOKafkaConsumer | None) -> None:
        """Go on where the commits say."""
        for tp, commit in restored.stored.items():
            self._finished_before[tp] = decode(commit.offset, commit.metadata)
        if consumer is not None:
            mine = restored.partitions & consumer.assignment()
            await self._positions.begin(consumer, mine - restored.stored.keys())
