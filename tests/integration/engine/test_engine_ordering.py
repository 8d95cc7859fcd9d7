"""What runs one after another, what at once, and who goes first, on real Kafka."""

import asyncio

import pytest
from support.engine_rig import event, eventually, number_of, result_of, rig, running

from posta.domain.envelope import Wire, encode
from posta.engine.message import as_raw
from posta.engine.policy import EnginePolicy, Ordering
from posta.errors import Transient
from posta.kafka.producer import Producer

pytestmark = pytest.mark.integration


async def most_at_once(kafka, topic_prefix, wires, policy) -> int:
    """The most handlers that ran together until all of ``wires`` were handled, in order if that was one."""
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        at_once = most = 0
        offsets: list[int] = []

        async def handler(record):
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.05)
            at_once -= 1
            offsets.append(record.offset)

        for wire in wires:
            await world.send(wire)
        async with running(world.engine(handler, policy=policy, interpret=as_raw)):
            await eventually(lambda: len(offsets) == len(wires), within_s=30)
        assert most > 1 or offsets == sorted(offsets)
        return most


def wires(*keys: bytes | None) -> list[Wire]:
    return [Wire(key=key, value=b"%d" % number, headers=()) for number, key in enumerate(keys)]


@pytest.mark.parametrize(
    ("ordering", "keys", "most"),
    [
        pytest.param(Ordering.KEY, (b"a", b"a", b"b", b"a"), 2, id="each key in order"),
        pytest.param(Ordering.KEY, (None, None, None), 3, id="without a key each alone"),
        pytest.param(Ordering.PARTITION, (b"a", b"b", None, b"c"), 1, id="a partition in order"),
        pytest.param(Ordering.UNORDERED, (b"a", b"a", b"a"), 3, id="no order at all"),
    ],
)
async def test_ordering_says_what_runs_one_after_another(kafka, topic_prefix, ordering, keys, most):
    policy = EnginePolicy(ordering=ordering)
    assert await most_at_once(kafka, topic_prefix, wires(*keys), policy) == most


class SlowToConfirm(Producer):
    """Confirms nothing before ``let_go`` is set."""

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.let_go = asyncio.Event()

    async def publish(self, topic, records, *, timeout_s, partition=None) -> None:
        await self.let_go.wait()
        await super().publish(topic, records, timeout_s=timeout_s, partition=partition)


async def test_no_worker_waits_for_kafka_but_the_key_and_the_commit_do(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        handled: list[int] = []

        async def handler(message):
            handled.append(number_of(message))
            return [result_of(message)]

        for number, key in enumerate(("a", "a", "b", "c")):
            await world.feed(event(number, key=key))
        async with SlowToConfirm(world.settings, client_id="slow") as slow:
            world.producer, quick = slow, world.producer
            policy = EnginePolicy(concurrency=1, commit_interval_s=0.05)
            async with running(world.engine(handler, policy=policy)):
                await eventually(lambda: len(handled) == 3)
                await asyncio.sleep(0.3)
                assert handled == [0, 2, 3], "the only worker went on; a's second record waits for its first"
                assert await world.committed() == 0, "unconfirmed, so not done"
                slow.let_go.set()
                await eventually(lambda: len(handled) == 4)
                assert len(await world.read("results", count=4)) == 4
            world.producer = quick
            assert await world.committed() == 4


async def test_a_due_record_does_not_wait_behind_what_is_fresh(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        handled: list[tuple[int, int]] = []

        async def handler(message):
            handled.append((number_of(message), message.attempt))
            if handled == [(0, 1)]:
                raise Transient("once", retry_after_s=1)
            await asyncio.sleep(0.005)

        await world.feed(event(0))
        for wire in [encode(event(number, key=f"k{number}")) for number in range(1, 1500)]:
            await world.send(wire)
        async with running(world.engine(handler, policy=EnginePolicy(concurrency=1))):
            await eventually(lambda: len(handled) == 1501, within_s=60)
        assert handled.index((0, 2)) < 1400, "1.5 s after its failure, and long before the fresh ones ended"
