"""How a process is a member of its consumer group: the client's settings, and what a rebalance does."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from posta.kafka.connection import connection_options
from posta.settings import KafkaSettings
from posta.topics import Group

_FETCH_BYTES = 256 * 1024
_REBALANCE_MARGIN_S = 10.0
_HEARTBEAT_MS = 750
"""A member hears of a rebalance by its heartbeat, and all wait for the last to hear of it."""


class Owner(Protocol):
    """Who owns partitions while they are assigned to this process."""

    async def release(self) -> None:
        """Give every partition back."""

    async def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Take over what is ours now."""


def new_member(
    group: Group, kafka: KafkaSettings, owner: Owner, *, drain_s: float, poll_ms: int
) -> AIOKafkaConsumer:
    """A consumer, not yet started, that reads the group's sources and lanes and tells ``owner``."""
    prefix = kafka.topic_prefix
    session_ms = int(kafka.session_timeout_s * 1000)
    consumer = AIOKafkaConsumer(
        **connection_options(kafka, client_id=group.name),
        group_id=prefix + group.name,
        enable_auto_commit=False,  # A25
        auto_offset_reset="earliest",  # A25
        partition_assignment_strategy=(RangePartitionAssignor,),
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=min(session_ms // 3, _HEARTBEAT_MS),
        # A2: the default is the session timeout, which a drain may exceed.
        rebalance_timeout_ms=int((drain_s + _REBALANCE_MARGIN_S) * 1000),
        max_partition_fetch_bytes=_FETCH_BYTES,  # A10, A24
        fetch_max_wait_ms=poll_ms,
        request_timeout_ms=int(kafka.request_timeout_s * 1000),
        metadata_max_age_ms=30_000,
    )
    topics = [prefix + topic.name for topic in (*group.reads, *group.lanes)]
    consumer.subscribe(topics=topics, listener=_Listener(owner, drain_s))
    return consumer


# aiokafka has no types
class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Bounds what aiokafka would await without bound (A3); takes no lock (A5)."""

    def __init__(self, owner: Owner, drain_s: float) -> None:
        self._owner = owner
        self._limit_s = drain_s + _REBALANCE_MARGIN_S / 2

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002 - all are
        """Eager rebalancing takes everything; A4: it may be lost already, then the commit fails."""
        async with asyncio.timeout(self._limit_s):
            await self._owner.release()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Start afresh with what is ours now."""
        await self._owner.assigned(assigned)
