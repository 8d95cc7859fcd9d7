"""Dead letters that find no room on real Kafka: too large, or with no topic to go to."""

import hashlib

import pytest
from aiokafka.admin import NewTopic
from support.engine_rig import GROUP, event, eventually, number_of, rig, running
from support.kafka_admin import delete_topic, operator
from support.logged import logged

from posta.domain.envelope import Wire, encode, header
from posta.engine.policy import EnginePolicy
from posta.errors import Permanent
from posta.kafka.topics import apply

pytestmark = pytest.mark.integration


async def test_a_dead_letter_too_large_for_its_topic_travels_in_part_and_points_to_the_original(
    kafka, topic_prefix
):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        await delete_topic(world, GROUP.dlq.name)
        small = {"max.message.bytes": "20000"}
        async with operator(world) as admin:
            await admin.create_topics([NewTopic(topic_prefix + GROUP.dlq.name, 1, 1, topic_configs=small)])

        async def handler(_message):
            raise Permanent("no")

        value = b"x" * 300_000
        await world.feed(event(0))
        await world.send(Wire(key=b"k", value=value, headers=encode(event(1)).headers))
        async with running(world.engine(handler)):
            whole, dead = await world.read("workers.dlq", count=2)
        assert header(whole.headers, "posta-truncated") is None
        assert dead.value == value[:4096]
        headers = {name: text.decode() for name, text in dead.headers}
        assert headers["posta-truncated"] == "4096"
        assert headers["posta-original-size"] == "300000"
        assert headers["posta-original-sha256"] == hashlib.sha256(value).hexdigest()
        pointer = headers["posta-original-topic"], headers["posta-original-partition"]
        assert (*pointer, headers["posta-original-offset"]) == ("work", "0", "1")
        assert await world.committed() == 2, "it counts as finished"


async def test_a_missing_dead_letter_topic_holds_the_record_until_it_is_there(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        await delete_topic(world, GROUP.dlq.name)
        done: list[int] = []

        async def handler(message):
            if number_of(message) == 0:
                raise Permanent("no")
            done.append(number_of(message))

        for number in range(6):
            await world.feed(event(number, key=f"k{number}"))
        policy = EnginePolicy(publish_timeout_s=0.5, commit_interval_s=0.2)
        engine = world.engine(handler, policy=policy)
        with logged() as lines:
            async with running(engine):
                await eventually(lambda: len(done) == 5)
                await eventually(lambda: bool(lines["publish_failed_will_retry"]))
                assert await world.committed() == 0, "the record that has nowhere to go is not done"
                assert await engine.live_fault() is None
                await apply(world.settings, (GROUP.dlq,))
                (dead,) = await world.read("workers.dlq", count=1, timeout_s=30)
                await eventually(lambda: not engine._intake.partitions[0].unsaved, within_s=30)
        assert header(dead.headers, "ce_id") == "event:0"
        assert await world.committed() == 6
        assert len(lines["publish_failed_will_retry"]) == 1
        assert done == [1, 2, 3, 4, 5], "nothing was handled twice"
