"""The topics of a run: made before it, removed after it, so that no run reads another's records."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient

from posta.kafka.topics import apply
from posta.settings import KafkaSettings
from posta.topics import Group, Topic


def topic(name: str) -> Topic:
    """A topic of the benchmark's own."""
    return Topic(name=name, key="a key", written_by=("bench",), read_by=("bench",))


def group_topics(name: str, lane_s: int) -> tuple[Topic, ...]:
    """The lanes and the dead-letter topic that a service's group has."""
    group = Group(name=name, reads=(), lane_delays_s=(lane_s,)) if lane_s else Group(name=name, reads=())
    return (*group.lanes, group.dlq)


@asynccontextmanager
async def existing(bootstrap: str, partitions: int, topics: Sequence[Topic]) -> AsyncIterator[None]:
    """Topics that exist for the block."""
    await apply(KafkaSettings(bootstrap_servers=bootstrap, partitions=partitions), topics)
    try:
        yield
    finally:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            await admin.delete_topics([one.name for one in topics])
        finally:
            await admin.close()
