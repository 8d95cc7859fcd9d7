"""A Kafka in memory: topics with their logs, groups, and requests that take time and may go wrong.

    client ──there──▶ effect ──back──▶ client        each way a draw of the latency
              │                  └─ lost: done, and the client is never told
              └─ refused: an error, nothing done

A request's effect happens on the broker's side: a client that was killed or stopped meanwhile does
not keep its request from being carried out. Requests of one client arrive in the order they were sent.
"""

import asyncio
import contextvars
import itertools
import random
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from aiokafka.errors import (
    KafkaConnectionError,
    MessageSizeTooLargeError,
    UnknownError,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import ConsumerRecord, OffsetAndMetadata, TopicPartition
from support.sim.groups import Group
from support.sim.loop import current_life

R = TypeVar("R")
_LATE_S = 0.5


class Request(Enum):
    """What a client asks for, as far as faults tell requests apart."""

    PRODUCE = "produce"
    COMMIT = "commit"
    FETCH = "fetch"
    GROUP = "group"
    OTHER = "other"


class Wrong(Enum):
    """How a request goes wrong."""

    REFUSED = "refused"
    """It fails before anything was done."""
    LOST = "lost"
    """It is done, and the answer never comes."""
    UNSENT = "unsent"
    """It never arrives, and no answer comes."""
    LATE = "late"
    """It is done when nobody waits for its answer any more, and has been repeated meanwhile."""
    FAILED = "failed"
    """Nothing is done, and the error is one that trying again does not mend."""


@dataclass
class Fault:
    """The next ``count`` requests of a kind go wrong; those of one process, or of all."""

    request: Request
    wrong: Wrong
    count: int
    process: str | None = None


@dataclass
class Connection:
    """What keeps one client's requests in order."""

    name: str
    free_at: float = 0.0


@dataclass
class Log:
    """One partition."""

    records: list[ConsumerRecord] = field(default_factory=list)
    begin: int = 0

    @property
    def end(self) -> int:
        return self.begin + len(self.records)

    def read(self, offset: int, most: int) -> list[ConsumerRecord]:
        return self.records[offset - self.begin : offset - self.begin + most]


class Cluster:
    """One broker that is leader and coordinator of everything."""

    def __init__(
        self,
        *,
        seed: int = 0,
        latency_s: tuple[float, float] = (0.0005, 0.004),
        fetched_records: int = 100,
    ) -> None:
        self.fetched_records = fetched_records
        """Most records of a partition in one answer to a fetch."""
        self._random = random.Random(seed)
        self.serial = itertools.count(1)
        """Numbers its clients."""
        self._latency_s = latency_s
        self.logs: dict[TopicPartition, Log] = {}
        self.partitions: dict[str, int] = {}
        self.max_bytes: dict[str, int] = {}
        """The largest record that a topic takes; absent: any."""
        self.groups: dict[str, Group] = {}
        self.faults: deque[Fault] = deque()
        self.happened: Counter[str] = Counter()
        """Which faults have hit a request so far."""
        self.is_away = False
        self.leaderless: set[TopicPartition] = set()
        """Partitions that are neither written nor read meanwhile."""
        self.closed = False
        self.on_append: Callable[[TopicPartition, ConsumerRecord], None] = lambda _tp, _record: None
        self.on_commit: Callable[[str, str, int, dict[TopicPartition, OffsetAndMetadata]], None] = (
            lambda _group, _member, _generation, _offsets: None
        )
        # A dictionary and not a set: whom it wakes first must not depend on where things lie in memory.
        self._watchers: dict[asyncio.Event, None] = {}
        self._broker = contextvars.Context()

    def create(self, topic: str, partitions: int) -> None:
        """Make a topic; one that exists stays as it is."""
        if topic not in self.partitions:
            self.partitions[topic] = partitions
            for number in range(partitions):
                self.logs[TopicPartition(topic, number)] = Log()

    def grow(self, more: int) -> None:
        """Give every topic so many partitions more."""
        for topic, count in self.partitions.items():
            self.partitions[topic] = count + more
            for number in range(count, count + more):
                self.logs[TopicPartition(topic, number)] = Log()

    def check_size(self, topic: str, size: int) -> None:
        """Raises ``MessageSizeTooLargeError`` when the topic takes no record of ``size`` bytes."""
        if size > self.max_bytes.get(topic, size):
            raise MessageSizeTooLargeError(f"{size} bytes for {topic}")

    def group(self, name: str) -> Group:
        if name not in self.groups:
            self.groups[name] = Group(name, counts=self.partitions, context=self._broker)
        return self.groups[name]

    def log(self, tp: TopicPartition) -> Log:
        if tp not in self.logs:
            raise UnknownTopicOrPartitionError(f"{tp.topic}/{tp.partition}")
        return self.logs[tp]

    def append(
        self,
        tp: TopicPartition,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes]],
        timestamp_ms: int,
    ) -> ConsumerRecord:
        """Write one record, at once."""
        log = self.log(tp)
        record: ConsumerRecord = ConsumerRecord(
            topic=tp.topic,
            partition=tp.partition,
            offset=log.end,
            timestamp=timestamp_ms,
            timestamp_type=0,
            key=key,
            value=value,
            checksum=None,
            serialized_key_size=-1 if key is None else len(key),
            serialized_value_size=-1 if value is None else len(value),
            headers=tuple(headers),
        )
        log.records.append(record)
        self.on_append(tp, record)
        for watcher in self._watchers:
            watcher.set()
        return record

    def watch(self, event: asyncio.Event) -> None:
        """Set ``event`` whenever something is written: it stands for the broker's long poll."""
        self._watchers[event] = None

    def unwatch(self, event: asyncio.Event) -> None:
        self._watchers.pop(event, None)

    def wake(self) -> None:
        """Nothing was written, but look again."""
        for watcher in self._watchers:
            watcher.set()

    async def ask(
        self,
        connection: Connection,
        request: Request,
        effect: Callable[[], R | asyncio.Future[R]],
        *,
        timeout_s: float,
    ) -> R:
        """Have ``effect`` carried out by the broker, and return what it returns.

        Raises what the effect raises, and ``KafkaConnectionError`` when it was refused or no answer
        came within ``timeout_s``.
        """
        if self.closed:
            raise KafkaConnectionError("the world has ended")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        wrong = self._wrong(request)
        arrival = max(connection.free_at, loop.time() + self._draw())
        connection.free_at = arrival
        if wrong is Wrong.LATE:
            # The client gave the connection up, so what comes after this one does not wait for it.
            late = loop.time() + timeout_s + _LATE_S
            loop.call_at(late, self._arrive, effect, answer, wrong, context=self._broker)
        elif wrong is not Wrong.UNSENT:
            loop.call_at(arrival, self._arrive, effect, answer, wrong, context=self._broker)
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise KafkaConnectionError(f"no answer to {request.value}") from None

    def _arrive(
        self, effect: Callable[[], R | asyncio.Future[R]], answer: asyncio.Future[R], wrong: Wrong | None
    ) -> None:
        if self.is_away or wrong is Wrong.REFUSED:
            self._answer(answer, None, KafkaConnectionError("refused"))
            return
        if wrong is Wrong.FAILED:
            self._answer(answer, None, UnknownError("made up"))
            return
        try:
            result = effect()
        except Exception as exc:  # noqa: BLE001 - the client is told what went wrong
            self._answer(answer, None, exc)
            return
        if wrong is Wrong.LOST:
            return
        if isinstance(result, asyncio.Future):
            result.add_done_callback(
                lambda done: self._answer(
                    answer, None if done.exception() else done.result(), done.exception()
                ),
                context=self._broker,
            )
        else:
            self._answer(answer, result, None)

    def _answer(self, answer: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        def tell() -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)

        asyncio.get_running_loop().call_later(self._draw(), tell, context=self._broker)

    def _draw(self) -> float:
        return self._random.uniform(*self._latency_s)

    def _wrong(self, request: Request) -> Wrong | None:
        life = current_life()
        name = None if life is None else life.name
        for fault in self.faults:
            if fault.request is request and fault.count > 0 and fault.process in {None, name}:
                fault.count -= 1
                self.happened[f"{request.value} {fault.wrong.value}"] += 1
                return fault.wrong
        return None
