"""Polls Kafka for as long as the process is a member of its group, and replaces a client that broke.

Polling never stops while we are a member (A7): what has no room is left out, see ``backpressure``.
What comes in goes to ``reception``; partitions come and go in ``handover``.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Iterable

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from posta.engine.assignor import Assignor
from posta.engine.backpressure import Backpressure
from posta.engine.commits import Committer
from posta.engine.dispatch import Dispatcher
from posta.engine.fencing import Fencing
from posta.engine.forbidden import Forbidden
from posta.engine.handover import Handover
from posta.engine.membership import join, leave, new_member, share_out_anew, started
from posta.engine.meters import Meters
from posta.engine.ordered import Ordered
from posta.engine.partition import Partition
from posta.engine.policy import EnginePolicy
from posta.engine.positions import NoPosition, Positions
from posta.engine.reception import Reception
from posta.engine.steady_clock import SteadyClock
from posta.engine.suspension import Suspended, Suspension
from posta.engine.timers import Timers
from posta.engine.topology import Topology
from posta.engine.unreadable import Unreadable
from posta.errors import ConfigurationError
from posta.settings import KafkaSettings
from posta.tasks import within
from posta.telemetry.logs import get_logger
from posta.topics import Group

log = get_logger(__name__)
_POLL_MS = 200
_SHORT_POLL_MS = 5
_MOST_RECORDS = 500
_RECONNECT_S = 1.0
_REGULATE_S = 0.1
_Batches = dict[TopicPartition, list[ConsumerRecord]]


class Rewound(Exception):
    """The offsets of a partition went back; a new assignment has to begin."""


class Intake:
    """The consumer side of one engine; ``each_look`` is called a few times a second."""

    def __init__(
        self,
        group: Group,
        kafka: KafkaSettings,
        *,
        policy: EnginePolicy,
        dispatcher: Dispatcher,
        timers: Timers,
        meters: Meters | None = None,
        clock: Callable[[], float],
        ordered: Ordered | None = None,
        each_look: Callable[[], None] = lambda: None,
    ) -> None:
        self._each_look = each_look
        self._group = group
        self._kafka = kafka
        self._policy = policy
        self._ordered = ordered
        meters = meters or Meters(group.name)
        self._meters = meters
        self._clock = clock
        self._early: list[tuple[TopicPartition, list[ConsumerRecord]]] = []
        """Fetched before the order of keys stood."""
        self._partitions: dict[TopicPartition, Partition] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._committer = Committer(group.name, self._partitions, meters)
        self._backpressure = Backpressure(policy.bounds, self._partitions, meters)
        self._reception = Reception(
            self._partitions,
            ordering=policy.ordering,
            lanes=frozenset(kafka.topic_prefix + lane.name for lane in group.lanes),
            topic_prefix=kafka.topic_prefix,
            dispatcher=dispatcher,
            timers=timers,
            meters=meters,
            clock=clock,
            ordered=ordered,
            rank=policy.rank,
        )
        self._positions = Positions(
            group.name,
            prefix=kafka.topic_prefix,
            made_anew=lambda tp: self._handover.finished_before(tp),  # noqa: PLW0108 - made below
        )
        self._unreadable = Unreadable(group.name, prefix=kafka.topic_prefix)
        self._suspension = Suspension(kafka.session_timeout_s)
        self._forbidden = Forbidden(group.name, prefix=kafka.topic_prefix)
        self._topology = Topology(
            group.name,
            [kafka.topic_prefix + topic.name for topic in (*group.reads, *group.lanes)],
            prefix=kafka.topic_prefix,
        )
        self._fencing = Fencing(group.name, kafka.group_instance_id)
        self._assignor = Assignor(self._fencing.process)
        self._handover = Handover(
            group,
            kafka,
            self._partitions,
            drain_s=policy.drain_s,
            committer=self._committer,
            dispatcher=dispatcher,
            meters=meters,
            ordered=ordered,
            positions=self._positions,
            progressed=self._note_progress,
        )
        self._next_look = 0.0
        self.joined = False
        self.last_progress = time.monotonic()

    def when_handing_back(self, send_on: Callable[[Collection[Partition]], None]) -> None:
        """Call ``send_on`` with the partitions that are about to go."""
        self._handover.send_on = send_on

    async def run(self, stop: asyncio.Event) -> None:
        """Be a member of the group until ``stop``; a broken client is replaced, the process stays."""
        while not stop.is_set():
            self.last_progress = time.monotonic()
            drain_s = self._policy.drain_s
            consumer = new_member(
                self._group, self._kafka, assignor=self._assignor, drain_s=drain_s, poll_ms=_POLL_MS
            )
            self._consumer = consumer
            self._suspension.begin()
            try:
                if await started(consumer, stop, self._note_progress):
                    join(consumer, self._group, self._kafka, self, fencing=self._fencing, drain_s=drain_s)
                    await self._poll_until(stop, consumer)
            except (KafkaError, TimeoutError, Rewound, Suspended) as exc:
                self._fencing.check()
                # A23: after an error that is not about one record the client may be a zombie.
                log.error("consumer_replaced", group=self._group.name, error=f"{exc!r:.300}")
                self._meters.replaced_client()
                await self._pause_before_reconnect(stop)
            except ConfigurationError:
                raise
            except Exception:
                # Such as a record that aiokafka itself cannot decode: the next client finds out which.
                self._unreadable.search()
                self._meters.unexpected("poll")
                log.exception("poll_failed", group=self._group.name)
                await self._pause_before_reconnect(stop)
            finally:
                self._suspension.end()
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
        """Fetch from a partition again as soon as it has room."""
        self._backpressure.relieve(partition, self._consumer)

    def topic_fault(self) -> str | None:
        """Which sources and lanes cannot be read, and what to do, if there are any."""
        if missing := self._topology.missing:
            return f"topics are missing: {', '.join(missing)}; make them: posta topics apply"
        if forbidden := self._forbidden.topics:
            return f"topics may not be read: {', '.join(forbidden)}; allow it by Kafka's ACLs"
        return None

    @property
    def order_fault(self) -> str | None:
        """Why partitions wait for the order of their keys to be rebuilt, if they do."""
        return self._handover.order_fault

    async def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Note an assignment: positions start at the committed offsets, less what is named there."""
        self._unreadable.begin()
        self._forbidden.begin()
        await self._handover.take(list(partitions), self._consumer)
        if self._consumer is not None:
            self._topology.look(self._consumer)
        self.joined = True

    async def release(self) -> None:
        """Give every partition back: drain within bounds, commit, then cancel what is left."""
        self._early.clear()
        await self._handover.give_back(self._consumer)

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
                self._note_progress()
                self._fencing.check()
                self._meters.polled()
                if polling.done():
                    (assignment, batches), polling = polling.result(), None
                    await self._handover.restored()
                    self._suspension.check()
                    # A1: what an earlier assignment fetched is fetched again from its commit.
                    self._receive(batches if assignment == self._handover.number else {})
                self._look_after(consumer)
                if time.monotonic() >= next_commit:
                    await self._committer.commit(consumer)
                    if self.joined:
                        self._look_at_topics(consumer)
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

    def _look_at_topics(self, consumer: AIOKafkaConsumer) -> None:
        self._topology.look(consumer)
        if outdated := self._assignor.outdated(consumer):
            log.warning("partitions_shared_out_anew", group=self._group.name, partitions=outdated)
            share_out_anew(consumer)

    async def _poll(self, consumer: AIOKafkaConsumer) -> tuple[int, _Batches]:
        """The next records, and the number of the assignment they were fetched under."""
        left_out = self._backpressure.left_out()
        batches: _Batches = {}
        try:
            batches = await self._unreadable.poll(
                consumer,
                # Those left out may have room in a moment, so this must not wait for the others' records.
                timeout_ms=_SHORT_POLL_MS if left_out else _POLL_MS,
                max_records=_MOST_RECORDS,
                left_out=left_out,
            )
        except NoPosition as exc:
            await self._positions.recover(consumer, exc)
        except TopicAuthorizationFailedError as exc:
            self._forbidden.met(consumer, exc)
        return self._handover.number, batches

    def _note_progress(self) -> None:
        self.last_progress = time.monotonic()

    def _receive(self, batches: _Batches) -> None:
        early, self._early = self._early, []
        for tp, records in (*early, *batches.items()):
            if self._handover.holds_back(tp):
                # The order of keys does not stand yet; the fetching has gone on from there.
                self._early.append((tp, records))
                continue
            self._unreadable.passed(tp, records[-1].offset)
            finished = self._handover.finished_before(tp)
            try:
                self._reception.receive(tp, records, finished)
            except ValueError:
                self._rewound(tp)
                self._reception.receive(tp, records, frozenset())

    def _rewound(self, tp: TopicPartition) -> None:
        """Offsets went back: the topic was made anew or the group was reset under us."""
        if self._ordered is not None:
            raise Rewound(f"{tp.topic} {tp.partition}")
        partition = self._partitions.pop(tp)
        self._meters.position_moved(partition.topic, "rewound")
        log.error("partition_rewound", topic=partition.topic, partition=tp.partition)
        self._handover.abandon([partition])

    def _look_after(self, consumer: AIOKafkaConsumer) -> None:
        """Keep to the bounds; show how it is, a few times a second."""
        now = time.monotonic()
        self._backpressure.regulate(consumer, now)
        if now >= self._next_look:
            self._next_look = now + _REGULATE_S
            self._backpressure.show(now)
            self._forbidden.look(consumer)
            self._each_look()
            if self._ordered is not None:
                self._ordered.show()

    async def _leave(self, consumer: AIOKafkaConsumer) -> None:
        try:
            await self.release()
        finally:
            self.joined = False
            await leave(consumer)
            self._consumer = None

    async def _pause_before_reconnect(self, stop: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            await within(_RECONNECT_S, stop.wait())
