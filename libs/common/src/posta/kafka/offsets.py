"""Reads what a group has committed: the offset of each partition and the text stored with it."""

from collections.abc import Iterable

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from posta.errors import Transient
from posta.kafka.connection import connection_options
from posta.settings import KafkaSettings
from posta.tasks import unbroken


async def committed(
    settings: KafkaSettings, *, group: str, partitions: Iterable[TopicPartition], timeout_s: float
) -> dict[TopicPartition, OffsetAndMetadata]:
    """What ``group`` (its full name) has committed for ``partitions``; those without a commit are absent.

    Raises ``Transient`` when Kafka does not say within ``timeout_s``.
    """
    admin = AIOKafkaAdminClient(
        **connection_options(settings, client_id=f"{group}-offsets"),
        request_timeout_ms=int(timeout_s * 1000),
    )
    try:
        # aiokafka loses the connection that it bootstraps with when that is cancelled.
        found = await unbroken(timeout_s, _asked(admin, group, list(partitions)))
    except (TimeoutError, KafkaError) as exc:
        raise Transient(f"the commits of {group} cannot be read: {type(exc).__name__}") from exc
    return {tp: stored for tp, stored in found.items() if stored.offset >= 0}


async def _asked(
    admin: AIOKafkaAdminClient, group: str, partitions: list[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    try:
        await admin.start()
        found: dict[TopicPartition, OffsetAndMetadata] = await admin.list_consumer_group_offsets(
            group, partitions=partitions
        )
        return found
    finally:
        await admin.close()
