"""What is fetched counts only for the assignment that it was fetched under."""

import asyncio
import time

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from posta.engine import intake as intake_module
from posta.engine.dispatch import Dispatcher
from posta.engine.intake import Intake
from posta.engine.policy import EnginePolicy
from posta.engine.timers import Timers
from posta.settings import KafkaSettings
from posta.topics import Group, Topic

GROUP = Group(name="fetch", reads=(Topic(name="s", key="k", written_by=(), read_by=()),), lane_delays_s=())
TP = TopicPartition("s", 0)


class Consumer:
    """Fetches a record at a time; ``meanwhile`` is called before its first one is looked at."""

    def __init__(self, meanwhile) -> None:
        self._meanwhile = meanwhile
        self.fetched = 0

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def subscribe(self, **_what) -> None:
        pass

    async def getmany(self, *_partitions, **_options):
        await asyncio.sleep(0.001)
        self.fetched += 1
        if self.fetched == 1:
            asyncio.get_running_loop().call_soon(self._meanwhile)
        return {TP: [ConsumerRecord("s", 0, 10 + self.fetched, 0, 0, None, b"", None, 0, 0, ())]}

    def assignment(self):
        return frozenset({TP})

    def partitions_for_topic(self, _topic):
        return {0}


async def test_what_an_earlier_assignment_fetched_is_left_to_be_fetched_again(monkeypatch):
    """It would stand in front of what the new assignment begins with (A1)."""

    def assigned_anew():
        intake._handover.number += 1

    consumer, stop = Consumer(assigned_anew), asyncio.Event()
    monkeypatch.setattr(intake_module, "new_member", lambda *_a, **_k: consumer)
    intake = Intake(
        GROUP,
        KafkaSettings(),
        policy=EnginePolicy(),
        dispatcher=Dispatcher(),
        timers=Timers(time.time),
        clock=time.time,
    )
    running = asyncio.create_task(intake.run(stop))
    async with asyncio.timeout(10):
        while not intake.partitions:  # noqa: ASYNC110 - a fake tells nobody
            await asyncio.sleep(0.001)
    (partition,) = intake.partitions
    assert partition.watermark.committable == 12, "the first record, 11, is not taken in"
    stop.set()
    await running
