"""Fetches records into partitions and gives partitions back in order.

Polling never stops while we are a member (A7): what is full is paused (see ``backpressure``).
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from posta.domain.commit_metadata import decode
from posta.domain.failure import read_delivery
from posta.engine.backpressure import Backpressure
from posta.engine.commits import Committer
from posta.engine.dispatch import Dispatcher
from posta.engine.fencing import Fencing
from posta.engine.membership import new_member, started
from posta.engine.ordered import Ordered
from posta.engine.partition import Partition, Phase, Work, headers_of
from posta.engine.policy import EnginePolicy
from posta.engine.positions import NoPosition, Positions
from posta.engine.rebuild import Rebuild
from posta.engine.steady_clock import SteadyClock
from posta.engine.timers import Timers
from posta.engine.topology import Topology
from posta.engine.unreadable import Unreadable
from posta.errors import ConfigurationError, Transient
from posta.kafka.offsets import committed
from posta.settings import KafkaSettings
from posta.tasks import within
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.topics import Group

log = get_logger(__name__)
_POLL_MS = 200
_MOST_RECORDS = 500
_RECONNECT_S = 1.0
_STOP_S = 5.0
_RESTORE_S = 5.0
_Batches = dict[TopicPartition, list[ConsumerRecord]]


class Rewound(Exception):
    """The offsets of a partition went back; a new assignment has to begin."""


class Intake:
    """The consumer side of one engine: assignment, polling, drain."""

    def __init__(
        self,
        group: Group,
        kafka: KafkaSettings,
        *,
        policy: EnginePolicy,
        dispatcher: Dispatcher,
        timers: Timers,
        clock: Callable[[], float],
        ordered: Ordered | None = None,
    ) -> None:
        self._group = group
        self._kafka = kafka
        self._policy = policy
        self._ordered = ordered
        self._rebuild = None if ordered is None else Rebuild(group, kafka, ordered)
        self._early: list[tuple[TopicPartition, list[ConsumerRecord]]] = []
        """Fetched before the order of keys stood."""
        self._dispatcher = dispatcher
        self._timers = timers
        self._clock = clock
        self._lanes = frozenset(kafka.topic_prefix + lane.name for lane in group.lanes)
        self._partitions: dict[TopicPartition, Partition] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._committer = Committer(group.name, self._partitions)
        self._backpressure = Backpressure(
            group.name, policy.bounds, self._partitions, is_ordered=ordered is not None
        )
        self._restored = asyncio.Event()
        self._restored.set()
        self._finished_before: dict[TopicPartition, frozenset[int]] = {}
        self._assignment = 0
        self._releasing = asyncio.Lock()
        self._positions = Positions(
            group.name, prefix=kafka.topic_prefix, made_anew=lambda tp: self._finished_before.pop(tp, None)
        )
        self._unreadable = Unreadable(group.name, prefix=kafka.topic_prefix)
        self._topology = Topology(
            group.name,
            [kafka.topic_prefix + topic.name for topic in (*group.reads, *group.lanes)],
            prefix=kafka.topic_prefix,
        )
        self._fencing = Fencing(
            group.name, kafka.group_instance_id, session_timeout_s=kafka.session_timeout_s
        )
        self.joined = False
        self.last_progress = time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Be a member of the group until ``stop``; a broken client is replaced, the process stays."""
        while not stop.is_set():
            self.last_progress = time.monotonic()
            consumer = new_member(
                self._group,
                self._kafka,
                self,
                fencing=self._fencing,
                drain_s=self._policy.drain_s,
                poll_ms=_POLL_MS,
            )
            self._consumer = consumer
            try:
                if await started(consumer, stop, self._waited):
                    await self._poll_until(stop, consumer)
            except (KafkaError, TimeoutError, Rewound) as exc:
                self._fencing.failed(exc)
                self._fencing.check()
                # A23: after an error that is not about one record the client may be a zombie.
                log.error("consumer_replaced", group=self._group.name, error=f"{exc!r:.300}")
                names.CONSUMER_REPLACED.labels(self._group.name).inc()
                await self._pause_before_reconnect(stop)
            except ConfigurationError:
                raise
            except Exception:
                # Such as a record that aiokafka itself cannot decode: the next client finds out which.
                self._unreadable.search()
                names.UNEXPECTED.labels(self._group.name, "poll").inc()
                log.exception("poll_failed", group=self._group.name)
                await self._pause_before_reconnect(stop)
            finally:
                await self._leave(consumer)

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """The assigned partitions that a record has come from."""
        return tuple(self._partitions.values())

    def assigned_names(self) -> tuple[str, ...]:
        """Every assigned partition as ``topic/number``, without the deployment's prefix."""
        assigned = self._consumer.assignment() if self._consumer is not None else ()
        prefix = self._kafka.topic_prefix
        return tuple(f"{tp.topic.removeprefix(prefix)}/{tp.partition}" for tp in sorted(assigned))

    def relieve(self, partition: Partition) -> None:
        """Resume a paused partition as soon as it has room again."""
        self._backpressure.relieve(partition, self._consumer)

    @property
    def is_rebuilding(self) -> bool:
        """Whether partitions wait for the order of their keys to be rebuilt."""
        return self._rebuild is not None and self._rebuild.runs

    async def _poll_until(self, stop: asyncio.Event, consumer: AIOKafkaConsumer) -> None:
        next_commit = time.monotonic() + self._policy.commit_interval_s
        polling: asyncio.Task[tuple[int, _Batches]] | None = None
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                # A6: a poll is never cancelled; at a rebalance it may wait for the others.
                polling = polling or asyncio.create_task(self._poll(consumer))
                await asyncio.wait(
                    {polling, stopping}, return_when=asyncio.FIRST_COMPLETED, timeout=_POLL_MS / 1000
                )
                self._waited()
                self._fencing.check()
                names.LAST_POLL.labels(self._group.name).set_to_current_time()
                if polling.done():
                    (assignment, batches), polling = polling.result(), None
                    await self._restored.wait()
                    self._receive_early()
                    # A1: what an earlier assignment fetched is fetched again from its commit.
                    for tp, records in batches.items() if assignment == self._assignment else ():
                        self._receive(tp, records)
                self._backpressure.regulate(consumer)
                if self._ordered is not None:
                    self._ordered.show()
                if time.monotonic() >= next_commit:
                    await self._committer.commit(consumer)
                    self._topology.look(consumer)
                    if isinstance(self._clock, SteadyClock):
                        self._clock.look()
                    next_commit = time.monotonic() + self._policy.commit_interval_s
        finally:
            stopping.cancel()
            if polling is not None and not polling.done():
                # The client is about to be closed, so its poll bookkeeping no longer matters.
                polling.cancel()
            if polling is not None:
                await asyncio.gather(polling, return_exceptions=True)

    async def _poll(self, consumer: AIOKafkaConsumer) -> tuple[int, _Batches]:
        """The next records, and the number of the assignment they were fetched under."""
        batches: _Batches = {}
        try:
            batches = await self._unreadable.poll(consumer, timeout_ms=_POLL_MS, max_records=_MOST_RECORDS)
        except NoPosition as exc:
            await self._positions.recover(consumer, exc)
        return self._assignment, batches

    def _receive(self, tp: TopicPartition, records: list[ConsumerRecord]) -> None:
        if self.is_rebuilding:
            self._early.append((tp, records))
            return
        partition = self._partitions.get(tp)
        if partition is None:
            topic = tp.topic.removeprefix(self._kafka.topic_prefix)
            restored = self._finished_before.pop(tp, frozenset())
            partition = self._partitions[tp] = Partition(tp=tp, topic=topic, restored=restored)
        names.RECEIVED.labels(self._group.name, partition.topic).inc(len(records))
        self._unreadable.passed(tp, records[-1].offset)
        for record in records:
            if record.offset in partition.restored:
                partition.skip(record.offset)
                continue
            work = self._work_of(record, partition)
            try:
                partition.receive(work)
            except ValueError:
                if self._ordered is not None:
                    raise Rewound(f"{tp.topic} {tp.partition}") from None
                # Offsets went back: the topic was made anew or the group was reset under us.
                log.error("partition_rewound", topic=partition.topic, partition=tp.partition)
                names.POSITION_MOVED.labels(self._group.name, partition.topic, "rewound").inc()
                self._abandon([partition])
                partition = self._partitions[tp] = Partition(tp=tp, topic=partition.topic)
                work = self._work_of(record, partition)
                partition.receive(work)
            if self._ordered is not None and record.key is not None:
                self._ordered.arrived(work)
            elif tp.topic in self._lanes and work.delivery.lane_due > self._clock():
                partition.waiting.append(work)
                if len(partition.waiting) == 1:
                    self._arm(partition)
            else:
                self._dispatcher.push(work)

    def _work_of(self, record: ConsumerRecord, partition: Partition) -> Work:
        # Only a lane's records carry a story of ours; on a source or a DLQ such headers are somebody
        # else's words, and a far not-before time among them would hold the partition up.
        headers = headers_of(record) if record.topic in self._lanes else ()
        delivery = read_delivery(
            topic=partition.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp,
            headers=headers,
        )
        return Work(
            record=record,
            partition=partition,
            delivery=delivery,
            # In ordered mode the line of a key starts one record at a time, from any of the topics.
            key=(partition, record.offset if record.key is None or self._ordered else record.key),
            size=len(record.key or b"") + len(record.value or b""),
            received_at=time.monotonic(),
        )

    def _arm(self, partition: Partition) -> None:
        """Wake when the head of a lane is due; those behind it are due later."""
        self._timers.at(partition.waiting[0].delivery.lane_due, lambda: self._release_due(partition))

    def _release_due(self, partition: Partition) -> None:
        if not partition.is_open:
            return
        waiting = partition.waiting
        while waiting and waiting[0].delivery.lane_due <= self._clock():
            self._dispatcher.push(waiting.popleft())
        if waiting:
            self._arm(partition)

    async def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Note an assignment: positions start at the committed offsets, less what is named there."""
        assigned = list(partitions)
        self._assignment += 1
        self._unreadable.begin()
        if self._rebuild is None:
            self._restored.clear()
            try:
                await self._restore(assigned)
            finally:
                self._restored.set()
        elif self._consumer is not None and assigned:
            self._rebuild.begin(self._consumer, assigned, self._take_up)
        count = len(assigned)
        if self._consumer is not None:
            self._topology.look(self._consumer)
        self.joined = True
        names.REBALANCES.labels(self._group.name).inc()
        names.PARTITIONS_ASSIGNED.labels(self._group.name).set(count)
        log.info("partitions_assigned", group=self._group.name, count=count)

    async def _restore(self, assigned: list[TopicPartition]) -> None:
        self._finished_before.clear()
        if not assigned:
            return
        group = self._kafka.topic_prefix + self._group.name
        try:
            stored = await committed(self._kafka, group=group, partitions=assigned, timeout_s=_RESTORE_S)
        except Transient as exc:
            # The only cost: records finished above the watermark are done again.
            log.warning("finished_records_not_restored", group=group, error=str(exc))
            return
        await self._take_up(stored)

    def _note_finished(self, stored: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        self._finished_before.clear()
        for tp, commit in stored.items():
            self._finished_before[tp] = decode(commit.offset, commit.metadata)

    async def _take_up(self, stored: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Go on where the commits of this assignment say."""
        self._note_finished(stored)
        if self._consumer is not None:
            await self._positions.begin(self._consumer, self._consumer.assignment() - stored.keys())

    def _receive_early(self) -> None:
        """Take in what was fetched before the order of keys stood; the fetching went on from there."""
        if self.is_rebuilding or not self._early:
            return
        early, self._early = self._early, []
        for tp, records in early:
            self._receive(tp, records)

    async def release(self) -> None:
        """Give every partition back: drain within bounds, commit, then cancel what is left.

        The order matters: completions during the drain are committed, later ones never are.
        """
        self._assignment += 1
        # A rebalance and the replacing of a broken client may both ask for it at once; A5: no poll holds it.
        async with self._releasing:
            if self._rebuild is not None:
                await self._rebuild.cancel()
                self._early.clear()
            if self._ordered is not None:
                self._ordered.stop_starting()
            try:
                partitions = list(self._partitions.values())
                if partitions:
                    await self._hand_back(partitions)
            finally:
                if self._ordered is not None:
                    self._ordered.forget()

    async def _hand_back(self, partitions: list[Partition]) -> None:
        for partition in partitions:
            partition.phase = Phase.DRAINING
            partition.waiting.clear()
        self._dispatcher.drop(partitions)
        try:
            await self._drain(partitions)
            if self._consumer is not None:
                await self._committer.commit(self._consumer)
        finally:
            # Also when it took too long and was cut: nothing of them may meet the next assignment.
            self._abandon(partitions)
            self._partitions.clear()

    async def _drain(self, partitions: list[Partition]) -> None:
        deadline = time.monotonic() + self._policy.drain_s
        while any(partition.running for partition in partitions):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                left = sum(len(partition.running) for partition in partitions)
                log.warning("drain_incomplete", group=self._group.name, handed_back=left)
                return
            self.last_progress = time.monotonic()
            await asyncio.sleep(min(0.02, left_s))

    def _abandon(self, partitions: list[Partition]) -> None:
        self._dispatcher.drop(partitions)
        for partition in partitions:
            partition.phase = Phase.CLOSED
            for task in list(partition.running.values()):
                task.cancel()

    async def _leave(self, consumer: AIOKafkaConsumer) -> None:
        try:
            await self.release()
        finally:
            self.joined = False
            try:
                # A13: stop() can hang when brokers are away.
                await within(_STOP_S, consumer.stop())
            except (TimeoutError, KafkaError) as exc:
                log.warning("consumer_stop_unclean", error=type(exc).__name__)
            self._consumer = None

    def _waited(self) -> None:
        """The loop makes progress, whatever Kafka does."""
        self.last_progress = time.monotonic()

    async def _pause_before_reconnect(self, stop: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            await within(_RECONNECT_S, stop.wait())
