"""The simulation's Kafka keeps the contract that the real one keeps, here on virtual time."""

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from support.kafka_contract import KafkaContract
from support.sim.cluster import Cluster
from support.sim.consumer import SimConsumer
from support.sim.loop import without_real_time
from support.sim.producer import SimAdmin, SimProducer


class TestKafkaInMemory(KafkaContract):
    @pytest.fixture
    def world(self):
        cluster = Cluster()

        async def create(topic: str, partitions: int) -> None:
            cluster.create(topic, partitions)

        async def grow(topic: str, partitions: int) -> None:
            cluster.grow(partitions - cluster.partitions[topic])

        return SimpleNamespace(
            prefix="t.",
            consumer=lambda *topics, **options: SimConsumer(cluster, *topics, **options),
            producer=lambda: SimProducer(cluster),
            admin=lambda: SimAdmin(cluster),
            create=create,
            grow=grow,
        )


def _on_virtual_time(test: Callable[..., Any]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(self: TestKafkaInMemory, world: Any) -> None:
        without_real_time(test(self, world))

    return run


for _name, _test in list(vars(KafkaContract).items()):
    if _name.startswith("test_"):
        setattr(TestKafkaInMemory, _name, _on_virtual_time(_test))
