"""The in-memory Kafka behind aiokafka's producer and admin client, as far as Posta uses them."""

import asyncio
from collections.abc import Iterable
from typing import Any

from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, LeaderNotAvailableError, ProducerClosed
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import OffsetAndMetadata, RecordMetadata, TopicPartition
from support.sim.cluster import Cluster, Connection, Request

_BACKOFF_S = 0.1


class SimProducer:
    """One client without idempotence: what is not confirmed in time may be written all the same."""

    def __init__(self, cluster: Cluster, **options: Any) -> None:
        self._cluster = cluster
        self._loop = asyncio.get_running_loop()
        self._connection = Connection(f"producer-{next(cluster.serial)}")
        self._timeout_s = float(options.get("request_timeout_ms", 40_000)) / 1000
        self._partitioner = DefaultPartitioner()
        self._sending: set[asyncio.Task[RecordMetadata]] = set()
        self._closed = False

    @property
    def client(self) -> "SimProducer":
        return self

    async def fetch_all_metadata(self) -> None:
        await self._cluster.ask(self._connection, Request.OTHER, lambda: None, timeout_s=self._timeout_s)

    async def start(self) -> None:
        await self.fetch_all_metadata()

    async def stop(self) -> None:
        self._closed = True
        if self._sending:
            await asyncio.wait(self._sending)

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(self._cluster.partitions.get(topic, 1)))

    async def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Iterable[tuple[str, bytes]] | None = None,
    ) -> "asyncio.Future[RecordMetadata]":
        if self._closed:
            raise ProducerClosed
        assert value is not None or key is not None, "Need to set at least one: key or value"
        numbers = list(range(self._cluster.partitions.get(topic, 1)))
        number = self._partitioner(key, numbers, numbers) if partition is None else partition
        tp = TopicPartition(topic, number)
        written_at = int(self._loop.time() * 1000) if timestamp_ms is None else timestamp_ms
        task = asyncio.create_task(self._deliver(tp, key, value, tuple(headers or ()), written_at))
        self._sending.add(task)
        task.add_done_callback(self._sent)
        # As the real one's: cancelling who waits does not take the record back.
        return asyncio.shield(task)

    def _sent(self, task: "asyncio.Task[RecordMetadata]") -> None:
        self._sending.discard(task)
        if not task.cancelled():
            # Nobody may be waiting for it any more; then its error is nobody's.
            task.exception()

    async def _deliver(
        self, tp: TopicPartition, key: bytes | None, value: bytes | None, headers: Any, written_at: int
    ) -> RecordMetadata:
        size = len(key or b"") + len(value or b"") + sum(len(name) + len(text) for name, text in headers)

        def effect() -> RecordMetadata:
            if tp in self._cluster.leaderless:
                raise LeaderNotAvailableError
            self._cluster.check_size(tp.topic, size)
            record = self._cluster.append(tp, key=key, value=value, headers=headers, timestamp_ms=written_at)
            return RecordMetadata(tp.topic, tp.partition, tp, record.offset, written_at, 0, 0)

        deadline = self._loop.time() + self._timeout_s
        while True:
            left_s = deadline - self._loop.time()
            if left_s <= 0:
                raise KafkaTimeoutError(f"not confirmed in {self._timeout_s:g} s")
            try:
                return await self._cluster.ask(self._connection, Request.PRODUCE, effect, timeout_s=left_s)
            except (KafkaConnectionError, LeaderNotAvailableError):
                await asyncio.sleep(_BACKOFF_S)


class SimAdmin:
    """Reads what groups have committed."""

    def __init__(self, cluster: Cluster, **options: Any) -> None:
        self._cluster = cluster
        self._connection = Connection(f"admin-{next(cluster.serial)}")
        self._timeout_s = float(options.get("request_timeout_ms", 40_000)) / 1000

    async def start(self) -> None:
        await self._cluster.ask(self._connection, Request.OTHER, lambda: None, timeout_s=self._timeout_s)

    async def close(self) -> None:
        pass

    async def list_consumer_group_offsets(
        self, group_id: str, partitions: Iterable[TopicPartition] | None = None
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        commits = self._cluster.group(group_id).commits
        none = OffsetAndMetadata(-1, "")
        return await self._cluster.ask(
            self._connection,
            Request.OTHER,
            lambda: {tp: commits.get(tp, none) for tp in (commits if partitions is None else partitions)},
            timeout_s=self._timeout_s,
        )
