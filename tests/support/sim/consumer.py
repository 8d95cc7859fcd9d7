"""The in-memory Kafka behind the surface of ``AIOKafkaConsumer`` that Posta uses.

It keeps the habits of the real one that the engine has to live with: rebalances run in a task of
their own and await the listener (A1, A3), a pause drops what was fetched (A8) and does not outlive
an assignment (A9), ``commit`` tries again for ever (A12), and a poll waits while partitions are
reassigned. The contract in ``support/kafka_contract.py`` holds both to the same behaviour.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Self

from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import ConsumerRecord, OffsetAndMetadata, TopicPartition
from support.sim.cluster import Cluster, Connection, Request
from support.sim.loop import current_life

from posta.engine.fencing import FencedInstanceId

_BACKOFF_S = 0.1
_STALE = (UnknownMemberIdError, IllegalGenerationError, RebalanceInProgressError)


def _seen(task: "asyncio.Task[Any]") -> None:
    """Nobody may be waiting for it any more; then its error is nobody's."""
    if not task.cancelled():
        task.exception()


@dataclass(eq=False)
class _Partition:
    """What is known of one partition within one assignment."""

    position: int | None = None
    paused: bool = False
    fetched: list[ConsumerRecord] = field(default_factory=list)
    error: KafkaError | None = None
    """What the next poll raises, once; nothing is fetched until then."""


@dataclass(eq=False)
class _Assignment:
    """Partitions from one round to the next."""

    partitions: dict[TopicPartition, _Partition]
    is_active: bool = True


class SimConsumer:
    """One client; ``cluster`` is bound by ``support.sim.patches``."""

    def __init__(self, cluster: Cluster, *topics: str, **options: Any) -> None:
        life = current_life()
        self._cluster = cluster
        self._loop = asyncio.get_running_loop()
        self._name = f"{'world' if life is None else life.name}-{next(self._cluster.serial)}"
        self._to_broker = Connection(self._name)
        self._to_coordinator = Connection(self._name)
        self._options = options
        self._group_id: str | None = options.get("group_id")
        self._topics: tuple[str, ...] = topics
        self._listener: Any = None
        self._assignment: _Assignment | None = None
        self._assigned = asyncio.Event()
        self._instance_id: str | None = options.get("group_instance_id")
        self._member_id = ""
        self._generation = -1
        self._leads = False
        self._assignor = options.get("partition_assignment_strategy", (RangePartitionAssignor,))[0]
        self._prepared = False
        self._rejoin = asyncio.Event()
        self._closing = asyncio.Event()
        self._wake = asyncio.Event()
        self._arrived = asyncio.Event()
        self._error: KafkaError | None = None
        self._polls = 0
        self._last_poll = self._loop.time()
        self._tasks: list[asyncio.Task[None]] = []
        self._heart: asyncio.Task[None] | None = None
        self._counts: dict[str, int] = {}
        self._learned_at = self._loop.time()

    def _seconds(self, option: str, default_ms: int) -> float:
        return float(self._options.get(option) or default_ms) / 1000

    # Life

    async def start(self) -> None:
        await self._ask(Request.OTHER, lambda: None)
        self._cluster.watch(self._wake)
        self._begin(self._fetch_always(), "fetcher")
        if self._group_id is not None and self._topics:
            self._begin(self._coordinate(), "coordination")
            await self._assigned.wait()
        elif self._topics:
            counts = self._cluster.partitions
            self.assign([TopicPartition(t, n) for t in self._topics for n in range(counts.get(t, 0))])

    async def stop(self) -> None:
        if self._closing.is_set():
            return
        self._closing.set()
        self._rejoin.set()
        if self._tasks[1:]:
            # One whose listener ended it, as a fenced member's does, is over like any other.
            await asyncio.wait(self._tasks[1:])
        await self._stop_heart()
        if self._member_id and self._instance_id is None:
            try:
                member_id = self._member_id
                await self._ask(Request.GROUP, lambda: self._group.leave(member_id))
            except KafkaError:
                self._member_id = ""
        for task in self._tasks[:1]:
            task.cancel()
            await asyncio.wait([task])
        self._cluster.unwatch(self._wake)
        self._arrived.set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(self._background(work, name))

    def _background(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        task = asyncio.create_task(work, name=f"{self._name} {name}")
        task.add_done_callback(self._report)
        return task

    def _report(self, task: "asyncio.Task[None]") -> None:
        """A defect of this double, not of what is tested."""
        if not task.cancelled() and task.exception() is not None:
            self._loop.call_exception_handler(
                {"message": f"{task.get_name()} broke", "exception": task.exception()}
            )

    # What is read

    def subscribe(self, topics: Iterable[str] = (), *, listener: Any = None) -> None:
        self._topics = tuple(topics)
        self._listener = listener
        if self._group_id is not None and self._tasks:
            self._begin(self._coordinate(), "coordination")

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        self._take(partitions)

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self._assignment.partitions if self._assignment is not None else ())

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        count = self._cluster.partitions.get(topic)
        return None if count is None else set(range(count))

    def pause(self, *partitions: TopicPartition) -> None:
        for tp in partitions:
            self._state(tp).paused = True

    def resume(self, *partitions: TopicPartition) -> None:
        for tp in partitions:
            self._state(tp).paused = False
        self._wake.set()

    def paused(self) -> set[TopicPartition]:
        states = self._assignment.partitions if self._assignment is not None else {}
        return {tp for tp, state in states.items() if state.paused}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        state = self._state(partition)
        state.position, state.fetched, state.error = offset, [], None
        self._wake.set()

    async def position(self, partition: TopicPartition) -> int:
        while True:
            position = self._state(partition).position
            if position is not None:
                return position
            await asyncio.sleep(_BACKOFF_S / 10)

    def highwater(self, partition: TopicPartition) -> int | None:
        return self._cluster.log(partition).end

    async def beginning_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        wanted = list(partitions)
        return await self._ask(
            Request.OTHER, lambda: {tp: self._cluster.log(tp).begin for tp in wanted}, until_answered=True
        )

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        wanted = list(partitions)
        return await self._ask(
            Request.OTHER, lambda: {tp: self._cluster.log(tp).end for tp in wanted}, until_answered=True
        )

    async def committed(self, partition: TopicPartition) -> int | None:
        found = await self._ask(
            Request.OTHER, lambda: self._group.commits.get(partition), until_answered=True
        )
        return None if found is None else found.offset

    # Polling

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        self._polls += 1
        # A6: not in a finally, as the real one: a poll that was cancelled counts for ever.
        found = await self._fetched(partitions, timeout_ms / 1000, max_records)
        self._polls -= 1
        self._last_poll = self._loop.time()
        return found

    async def _fetched(
        self, only: tuple[TopicPartition, ...], timeout_s: float, max_records: int | None
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        while True:
            await self._assigned.wait()
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            drained = self._drain(only, max_records)
            if drained:
                return drained
            self._raise_first()
            if not timeout_s:
                return {}
            self._arrived.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
            except TimeoutError:
                return {}
            if self._closing.is_set():
                return {}

    def _drain(
        self, only: tuple[TopicPartition, ...], max_records: int | None
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        drained: dict[TopicPartition, list[ConsumerRecord]] = {}
        left = max_records
        for tp, state in (self._assignment.partitions if self._assignment is not None else {}).items():
            if not state.fetched or (only and tp not in only) or left == 0:
                continue
            if state.paused:
                state.fetched = []
                continue
            taken, state.fetched = state.fetched[:left], state.fetched[len(state.fetched[:left]) :]
            state.position = taken[-1].offset + 1
            drained[tp] = taken
            left = None if left is None else left - len(taken)
            self._wake.set()
        return drained

    def _raise_first(self) -> None:
        """Raise what stands in the way of a partition; then it is tried again."""
        for state in (self._assignment.partitions if self._assignment is not None else {}).values():
            if state.error is not None:
                error, state.error = state.error, None
                self._wake.set()
                raise error

    async def _fetch_always(self) -> None:
        while True:
            self._wake.clear()
            assignment = self._assignment
            wanted = self._fetchable(assignment)
            if assignment is None or not wanted:
                await self._wake.wait()
                continue
            try:
                await self._fetch(assignment, wanted)
            except KafkaError as exc:
                if not isinstance(exc, KafkaConnectionError):
                    self._error = exc
                    self._arrived.set()
                await asyncio.sleep(_BACKOFF_S)

    async def _fetch(self, assignment: _Assignment, wanted: list[TopicPartition]) -> None:
        states = assignment.partitions
        unplaced = [tp for tp in wanted if states[tp].position is None]
        if unplaced:
            stored = (
                await self._ask(Request.OTHER, lambda: {tp: self._group.commits.get(tp) for tp in unplaced})
                if self._group_id is not None
                else {}
            )
            for tp in unplaced:
                commit = stored.get(tp)
                if states[tp].position is None:
                    if commit is None:
                        self._reset(tp, states[tp], NoOffsetForPartitionError(tp))
                    else:
                        states[tp].position = commit.offset
        starts = {tp: position for tp in wanted if (position := states[tp].position) is not None}
        found = await self._ask(Request.FETCH, lambda: self._read(starts)) if starts else {}
        for tp, records in found.items():
            state = states[tp]
            if not assignment.is_active or state.position != starts[tp] or state.fetched:
                continue
            if records is None:
                self._reset(tp, state, OffsetOutOfRangeError({tp: starts[tp]}))
            else:
                state.fetched = records
        self._arrived.set()
        if not any(found.values()) and None not in found.values():
            await self._wake.wait()

    def _read(
        self, starts: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, list[ConsumerRecord] | None]:
        """The records from each offset on; None where it is out of range."""
        found: dict[TopicPartition, list[ConsumerRecord] | None] = {}
        for tp, start in starts.items():
            log = self._cluster.log(tp)
            if tp in self._cluster.leaderless:
                found[tp] = []
                continue
            found[tp] = (
                log.read(start, self._cluster.fetched_records) if log.begin <= start <= log.end else None
            )
        return found

    def _reset(self, tp: TopicPartition, state: _Partition, error: KafkaError) -> None:
        """Do as ``auto_offset_reset`` says about a partition that cannot be read where it stands."""
        log = self._cluster.log(tp)
        match self._options.get("auto_offset_reset", "latest"):
            case "earliest":
                state.position = log.begin
            case "latest":
                state.position = log.end
            case _:
                state.error = error

    @staticmethod
    def _fetchable(assignment: _Assignment | None) -> list[TopicPartition]:
        if assignment is None:
            return []
        return [
            tp
            for tp, state in assignment.partitions.items()
            if not state.paused and not state.fetched and state.error is None
        ]

    # Commits

    async def commit(self, offsets: Mapping[TopicPartition, Any]) -> None:
        assignment = self._assignment
        if assignment is None:
            raise IllegalStateError("No partitions assigned")
        wanted = {
            tp: offset if isinstance(offset, OffsetAndMetadata) else OffsetAndMetadata(offset, "")
            for tp, offset in offsets.items()
        }
        for tp in wanted:
            if tp not in assignment.partitions:
                raise IllegalStateError(f"Partition {tp} is not assigned")
        while True:
            try:
                once = asyncio.create_task(self._commit_once(wanted))
                once.add_done_callback(_seen)
                await asyncio.shield(once)
            except _STALE as exc:
                raise CommitFailedError("the group has rebalanced") from exc
            except KafkaConnectionError:
                await asyncio.sleep(_BACKOFF_S)
            else:
                return

    async def _commit_once(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        member_id, generation = self._member_id, self._generation

        def effect() -> None:
            self._group.commit(member_id, generation, offsets)
            assert self._group_id is not None
            self._cluster.on_commit(self._group_id, member_id, generation, offsets)

        await self._ask(Request.COMMIT, effect)

    # The group

    async def _coordinate(self) -> None:
        self._rejoin.set()
        while not self._closing.is_set():
            await self._rejoin.wait()
            if self._closing.is_set():
                return
            if not self._prepared:
                await self._prepare()
                self._prepared = True
            await self._stop_heart()
            if self._idle_s() >= self._seconds("max_poll_interval_ms", 300_000):
                await asyncio.sleep(_BACKOFF_S)
                continue
            if await self._join():
                self._prepared = False

    async def _prepare(self) -> None:
        """Tell the listener that everything is revoked; the heart goes on beating meanwhile."""
        self._assigned.clear()
        if self._listener is not None:
            await self._tell(self._listener.on_partitions_revoked(self.assignment()))

    async def _join(self) -> bool:
        rebalance_s = self._seconds("rebalance_timeout_ms", int(self._session_s * 1000))
        member_id, new_id = self._member_id, f"{self._name}-{next(self._cluster.serial)}"
        self._rejoin.clear()
        try:
            joined = await self._ask(
                Request.GROUP,
                lambda: self._group.join(
                    member_id,
                    assignor=self._assignor,
                    topics=self._topics,
                    session_s=self._session_s,
                    rebalance_s=rebalance_s,
                    new_id=new_id,
                    instance_id=self._instance_id,
                ),
                timeout_s=rebalance_s + 5,
            )
        except UnknownMemberIdError:
            self._forget()
            return False
        except FencedInstanceId as exc:
            # It stands still until somebody polls, and hears of it.
            self._error = KafkaError(repr(exc))
            self._assigned.set()
            self._arrived.set()
            return False
        except KafkaError:
            self._rejoin.set()
            await asyncio.sleep(_BACKOFF_S)
            return False
        self._member_id, self._generation, self._leads = joined.member_id, joined.generation, joined.leads
        self._assignor.on_assignment(joined.share)
        # Before an assignment the leader asks for the metadata anew.
        self._counts = {topic: self._cluster.partitions.get(topic, 0) for topic in self._topics}
        partitions = frozenset(joined.share.partitions())
        self._take(partitions)
        if self._listener is not None:
            await self._tell(self._listener.on_partitions_assigned(partitions))
        self._heart = self._background(self._beat(), "heart")
        return True

    def _learn(self) -> None:
        """What the metadata says is looked at now and then; other partitions make the leader join again."""
        now = self._loop.time()
        if not self._leads or now - self._learned_at < self._seconds("metadata_max_age_ms", 300_000):
            return
        self._learned_at = now
        counts = {topic: self._cluster.partitions.get(topic, 0) for topic in self._topics}
        if counts != self._counts:
            self._rejoin.set()

    async def _beat(self) -> None:
        interval_s = self._seconds("heartbeat_interval_ms", 3000)
        pause_s = interval_s
        while self._member_id:
            await asyncio.sleep(pause_s)
            self._learn()
            member_id, generation = self._member_id, self._generation
            pause_s = interval_s
            try:
                await self._ask(Request.GROUP, lambda m=member_id, g=generation: self._group.heartbeat(m, g))  # type: ignore[misc]
            except RebalanceInProgressError:
                self._rejoin.set()
            except (UnknownMemberIdError, IllegalGenerationError):
                self._forget()
                return
            except KafkaError:
                pause_s = _BACKOFF_S
            if self._idle_s() >= self._seconds("max_poll_interval_ms", 300_000):
                if self._instance_id is None:
                    await self._ask(Request.GROUP, lambda m=member_id: self._group.leave(m))  # type: ignore[misc]
                self._forget()
                return

    def _forget(self) -> None:
        """The coordinator does not know us any more: join as somebody new."""
        self._member_id, self._generation = "", -1
        self._rejoin.set()

    async def _stop_heart(self) -> None:
        heart, self._heart = self._heart, None
        if heart is not None:
            heart.cancel()
            await asyncio.wait([heart])

    async def _tell(self, told: Any) -> None:
        try:
            await told
        except Exception as exc:  # noqa: BLE001 - the real one logs it and goes on (A3)
            self._loop.call_exception_handler({"message": "a rebalance listener failed", "exception": exc})

    def _take(self, partitions: Iterable[TopicPartition]) -> None:
        if self._assignment is not None:
            self._assignment.is_active = False
        self._assignment = _Assignment({tp: _Partition() for tp in sorted(partitions)})
        self._assigned.set()
        self._wake.set()

    # Ends

    @property
    def _coordinator(self) -> SimpleNamespace:
        """What the engine has to reach for inside of the real one."""
        return SimpleNamespace(
            member_id=self._member_id,
            group_id=self._group_id,
            coordinator_id=None,
            ensure_coordinator_known=lambda: asyncio.sleep(0),
            request_rejoin=self._rejoin.set,
            _client=SimpleNamespace(send=self._send),
        )

    async def _send(self, _node: None, _describe: Any) -> Any:
        """The answer to DescribeGroups."""
        return SimpleNamespace(groups=[await self._ask(Request.OTHER, self._group.described)])

    @property
    def _group(self) -> Any:
        assert self._group_id is not None
        return self._cluster.group(self._group_id)

    @property
    def _session_s(self) -> float:
        return self._seconds("session_timeout_ms", 10_000)

    def _state(self, tp: TopicPartition) -> _Partition:
        if self._assignment is None or tp not in self._assignment.partitions:
            raise IllegalStateError(f"No current assignment for partition {tp}")
        return self._assignment.partitions[tp]

    def _idle_s(self) -> float:
        return 0.0 if self._polls else self._loop.time() - self._last_poll

    async def _ask(
        self, request: Request, effect: Any, *, timeout_s: float | None = None, until_answered: bool = False
    ) -> Any:
        connection = self._to_coordinator if request in {Request.GROUP, Request.COMMIT} else self._to_broker
        limit_s = timeout_s or self._seconds("request_timeout_ms", 40_000)
        while True:
            try:
                return await self._cluster.ask(connection, request, effect, timeout_s=limit_s)
            except KafkaConnectionError:
                if not until_answered or self._cluster.closed:
                    raise
                await asyncio.sleep(_BACKOFF_S)
