"""Topics on a real cluster: made as declared, drift reported, nothing deleted."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from posta.errors import Transient
from posta.kafka.topics import ChangeKind, apply, plan
from posta.settings import KafkaSettings
from posta.topics import NOTIFIER, REPLIES_READY, all_topics

pytestmark = pytest.mark.integration


def cluster(kafka, prefix, **changes):
    return KafkaSettings(
        bootstrap_servers=kafka.bootstrap_servers, topic_prefix=prefix, **{"partitions": 2, **changes}
    )


async def test_everything_declared_is_made_once(kafka, topic_prefix):
    settings = cluster(kafka, topic_prefix, partitions=1)
    planned = await plan(settings)
    assert {c.topic for c in planned} == {topic_prefix + t.name for t in all_topics()}
    assert {c.kind for c in planned} == {ChangeKind.CREATE}
    assert await apply(settings) == planned
    assert await apply(settings) == [], "the second time there is nothing to do"


async def test_too_few_partitions_grow_only_when_asked(kafka, topic_prefix):
    topics = (REPLIES_READY,)
    await apply(cluster(kafka, topic_prefix, partitions=1), topics)
    wanted = cluster(kafka, topic_prefix, partitions=3)
    (change,) = await apply(wanted, topics)
    assert change.kind is ChangeKind.GROW
    assert (await plan(wanted, topics))[0].detail == "has 1 partitions, 3 are declared"
    await apply(wanted, topics, grow=True)
    assert await plan(wanted, topics) == []
    (drift,) = await plan(cluster(kafka, topic_prefix, partitions=2), topics)
    assert drift.kind is ChangeKind.DRIFT, "too many is reported, never undone"


async def test_a_changed_setting_is_drift(kafka, topic_prefix):
    settings = cluster(kafka, topic_prefix)
    await apply(settings, (NOTIFIER.dlq,))
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    name = topic_prefix + NOTIFIER.dlq.name
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": "60000"})])
    await admin.create_topics(
        [NewTopic(name=topic_prefix + "not.ours", num_partitions=1, replication_factor=1)]
    )
    async with asyncio.timeout(10):
        # The brokers hear of a changed setting a moment after it was taken.
        while not (changes := await plan(settings, (NOTIFIER.dlq,))):  # noqa: ASYNC110 - no broker tells
            await asyncio.sleep(0.05)
    assert ("retention.ms is 60000, 2592000000 is declared", ChangeKind.DRIFT) in {
        (c.detail, c.kind) for c in changes
    }
    await apply(settings, (NOTIFIER.dlq,))
    assert topic_prefix + "not.ours" in await admin.list_topics()
    await admin.close()


async def test_an_absent_cluster_is_said_so():
    with pytest.raises(Transient, match="127.0.0.1:1 does not answer"):
        await plan(KafkaSettings(bootstrap_servers="127.0.0.1:1"))
