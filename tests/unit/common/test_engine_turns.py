"""How the engine divides its starts between what is due and what is fresh."""

from collections import Counter

from aiokafka import ConsumerRecord, TopicPartition

from posta.engine.engine import Engine
from posta.engine.partition import Partition, Work
from posta.engine.policy import EnginePolicy
from posta.kafka.producer import Producer
from posta.settings import KafkaSettings
from posta.topics import Group, Topic

A, B = (Topic(name=name, key="k", written_by=(), read_by=("g",)) for name in ("a", "b"))
GROUP = Group(name="g", reads=(A, B), lane_delays_s=(5,))


async def handler(_message):
    return None


async def test_due_records_have_three_times_the_weight_of_all_sources_and_starve_none():
    settings = KafkaSettings()
    engine = Engine(
        GROUP,
        handler,
        kafka=settings,
        producer=Producer(settings, client_id="t"),
        policy=EnginePolicy(topic_weights={"a": 3}),
    )
    dispatcher = engine._dispatcher
    for topic in ("a", "b", GROUP.lanes[0].name):
        one = Partition(tp=TopicPartition(topic, 0), topic=topic)
        records = [ConsumerRecord(topic, 0, n, 0, 0, None, b"", None, 0, 0, ()) for n in range(100)]
        dispatcher.push_all(one, [Work(record, one, 1) for record in records])
    begun = Counter(work.partition.topic for _ in range(32) if (work := dispatcher.next()) is not None)
    assert begun == {GROUP.lanes[0].name: 24, "a": 6, "b": 2}
