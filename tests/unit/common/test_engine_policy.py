"""How an engine is tuned: what does not fit together is refused at once, by name."""

import pytest

from posta.domain.rank import Rank
from posta.engine.engine import Engine
from posta.engine.policy import EnginePolicy, Ordering, Retries
from posta.kafka.producer import Producer
from posta.settings import KafkaSettings
from posta.topics import Group, Topic

GROUP = Group(
    name="g",
    reads=tuple(Topic(name=name, key="k", written_by=(), read_by=("g",)) for name in ("a", "b")),
)


@pytest.mark.parametrize("ordering", [Ordering.PARTITION, Ordering.UNORDERED])
def test_ordered_retries_need_the_order_of_keys(ordering):
    with pytest.raises(ValueError, match=f"ordering is {ordering.name}"):
        EnginePolicy(retries=Retries.ORDERED, ordering=ordering)


def test_ordered_retries_keep_the_order_as_it_came():
    with pytest.raises(ValueError, match="cannot be ranked"):
        EnginePolicy(retries=Retries.ORDERED, rank=lambda _: Rank())


def test_a_topic_cannot_be_starved_by_its_weight():
    with pytest.raises(ValueError, match="at least 1"):
        EnginePolicy(topic_weights={"a": 0})


def test_a_weight_for_a_topic_that_is_not_read_is_a_mistake():
    kafka = KafkaSettings()
    with pytest.raises(ValueError, match="group g reads no c"):
        Engine(
            GROUP,
            lambda message: message,
            kafka=kafka,
            producer=Producer(kafka, client_id="never connected"),
            policy=EnginePolicy(topic_weights={"a": 2, "c": 1}),
        )
