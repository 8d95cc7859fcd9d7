"""Brings a cluster's topics in line with the declaration: creates, reports drift, never deletes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from posta.errors import Transient
from posta.kafka.connection import connection_options
from posta.settings import KafkaSettings
from posta.topics import Topic, all_topics

_TIMEOUT_S = 30.0
_LOOK_AGAIN_S = 0.05


class ChangeKind(StrEnum):
    """What the plan says about a topic."""

    CREATE = "create"
    GROW = "grow"
    """It has fewer partitions than declared; growing moves keys, so it is done only when asked."""
    DRIFT = "drift"
    """It differs in a way that is reported and left to the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between the declaration and the cluster."""

    kind: ChangeKind
    topic: str
    detail: str


async def plan(settings: KafkaSettings, topics: Sequence[Topic] | None = None) -> list[Change]:
    """Compare the cluster with the declaration, or with ``topics`` of it.

    Raises ``Transient`` when the cluster does not answer.
    """
    async with _admin(settings) as admin:
        return await _differences(admin, settings, _by_name(settings, topics))


async def apply(
    settings: KafkaSettings, topics: Sequence[Topic] | None = None, *, grow: bool = False
) -> list[Change]:
    """Create what is missing (and grow partitions if ``grow``); return what differed before.

    Safe to repeat and to run from several places at once.
    """
    async with _admin(settings) as admin:
        wanted = _by_name(settings, topics)
        changes = await _differences(admin, settings, wanted)
        missing = [change.topic for change in changes if change.kind is ChangeKind.CREATE]
        if missing:
            await _create(admin, [_new(settings, name, wanted[name]) for name in missing])
        growing = [change.topic for change in changes if change.kind is ChangeKind.GROW]
        if growing and grow:
            await admin.create_partitions(
                {name: NewPartitions(total_count=settings.partitions) for name in growing}
            )
        done = {ChangeKind.CREATE, ChangeKind.GROW} if grow else {ChangeKind.CREATE}
        await _until_seen(admin, settings, wanted, done)
        return changes


async def _until_seen(
    admin: AIOKafkaAdminClient, settings: KafkaSettings, wanted: dict[str, Topic], done: set[ChangeKind]
) -> None:
    """Wait until the brokers show what was done: the controller answers before they have heard of it."""
    async with asyncio.timeout(_TIMEOUT_S):
        while any(change.kind in done for change in await _differences(admin, settings, wanted)):  # noqa: ASYNC110 - no broker tells
            await asyncio.sleep(_LOOK_AGAIN_S)


async def _create(admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> None:
    response = await admin.create_topics(topics, timeout_ms=int(_TIMEOUT_S * 1000))
    for name, code, *rest in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise Transient(f"cannot create topic {name}: {error.__name__} {rest[0] if rest else ''}")


def _by_name(settings: KafkaSettings, topics: Sequence[Topic] | None) -> dict[str, Topic]:
    declared = all_topics() if topics is None else topics
    return {settings.topic_prefix + topic.name: topic for topic in declared}


async def _differences(
    admin: AIOKafkaAdminClient, settings: KafkaSettings, wanted: dict[str, Topic]
) -> list[Change]:
    existing = set(await admin.list_topics())
    changes = [
        Change(
            kind=ChangeKind.CREATE,
            topic=name,
            detail=f"{settings.partitions} partitions, kept {topic.retention_s // 86400} days",
        )
        for name, topic in wanted.items()
        if name not in existing
    ]
    present = [name for name in wanted if name in existing]
    if not present:
        return changes
    for described in await admin.describe_topics(present):
        changes += _partition_drift(described, settings)
    changes += await _config_drift(admin, {name: wanted[name] for name in present})
    return changes


def _partition_drift(described: dict[str, object], settings: KafkaSettings) -> list[Change]:
    name = str(described["topic"])
    partitions = described["partitions"]
    count = len(partitions) if isinstance(partitions, list) else 0
    if count == settings.partitions:
        return []
    kind = ChangeKind.GROW if count < settings.partitions else ChangeKind.DRIFT
    detail = f"has {count} partitions, {settings.partitions} are declared"
    return [Change(kind=kind, topic=name, detail=detail)]


async def _config_drift(admin: AIOKafkaAdminClient, wanted: dict[str, Topic]) -> list[Change]:
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(_config(topic)))
        for name, topic in wanted.items()
    ]
    changes = []
    for response in await admin.describe_configs(resources):
        for _code, _message, _kind, name, entries in response.resources:
            actual = {entry[0]: entry[1] for entry in entries}
            for key, value in _config(wanted[name]).items():
                if actual.get(key) != value:
                    detail = f"{key} is {actual.get(key)}, {value} is declared"
                    changes.append(Change(kind=ChangeKind.DRIFT, topic=name, detail=detail))
    return changes


def _config(topic: Topic) -> dict[str, str]:
    return {
        "retention.ms": str(topic.retention_s * 1000),
        "max.message.bytes": str(topic.max_message_bytes),
        "cleanup.policy": "delete",
    }


def _new(settings: KafkaSettings, name: str, topic: Topic) -> NewTopic:
    return NewTopic(
        name=name,
        num_partitions=settings.partitions,
        replication_factor=settings.replication_factor,
        topic_configs=_config(topic),
    )


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(
        **connection_options(settings, client_id="posta-topics"), request_timeout_ms=30_000
    )
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await admin.start()
        yield admin
    except (TimeoutError, KafkaError) as exc:
        raise Transient(
            f"Kafka at {settings.bootstrap_servers} does not answer: {type(exc).__name__}"
        ) from exc
    finally:
        await admin.close()
