"""Ordered retries on real Kafka: later records of a key stay behind an earlier one that waits in a lane."""

import asyncio
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.engine_rig import GROUP, SOURCE, event, eventually, number_of, rig, running

from posta.domain.envelope import Wire, header
from posta.domain.failure import delivery_headers, read_delivery, with_headers
from posta.domain.key_order import OnDeadLetter
from posta.domain.retry import RetryPolicy
from posta.engine.engine import Engine
from posta.engine.policy import Bounds, EnginePolicy, Retries
from posta.errors import Permanent, Transient
from posta.kafka.topics import apply

pytestmark = pytest.mark.integration
ORDERED = EnginePolicy(
    retries=Retries.ORDERED, retry=RetryPolicy(max_attempts=None), commit_interval_s=0.2, drain_s=1.0
)


async def test_followers_stay_behind_a_record_that_fails_three_times_and_other_keys_are_fast(
    kafka, topic_prefix
):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        done: list[int] = []
        tries: list[int] = []
        latencies: list[float] = []
        fed: dict[int, float] = {}

        async def handler(message):
            number = number_of(message)
            if number == 1:
                tries.append(message.attempt)
                if message.attempt <= 3:
                    raise Transient("not yet", retry_after_s=(1.1, 3.2, 1.1)[message.attempt - 1])
            if message.event.key == "ordered":
                assert message.attempt == (4 if number == 1 else 1), "waiting behind uses no attempt"
                done.append(number)
            else:
                latencies.append(time.time() - fed[number])

        async with running(world.engine(handler, policy=ORDERED)):
            await world.feed(event(1, key="ordered"))
            await eventually(lambda: bool(tries))
            for number in range(2, 21):
                fed[100 + number] = time.time()
                await world.feed(event(number, key="ordered"), event(100 + number, key=f"other{number % 5}"))
                await asyncio.sleep(0.2)
            await eventually(lambda: len(done) == 20, within_s=20)
            after = time.time()
        assert tries == [1, 2, 3, 4]
        assert done == list(range(1, 21)), "in the order they came, each once"
        assert len(latencies) == 19
        assert max(latencies) < 1.0, "other keys do not wait"
        assert after - fed[120] < 8
        assert await world.read("workers.dlq", count=1, timeout_s=0.5) == []


async def test_a_member_killed_while_they_wait_leaves_their_order_to_the_next(kafka, topic_prefix, tmp_path):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        ledger = tmp_path / "ledger"
        program = Path(__file__).with_name("ordered_member.py")
        member = await asyncio.create_subprocess_exec(
            sys.executable, str(program), kafka.bootstrap_servers, topic_prefix, str(ledger)
        )
        await world.feed(event(0, key="k"), event(1000, key="other"))
        await eventually(lambda: ledger.exists() and "failed 0" in ledger.read_text(), within_s=30)
        await world.feed(*(event(number, key="k") for number in range(1, 16)))
        await eventually(lambda: ledger.read_text().count("failed 0") == 2, within_s=20)
        await world.feed(*(event(number, key="k") for number in range(16, 31)))
        await asyncio.sleep(0.3)
        os.kill(member.pid, signal.SIGKILL)
        await member.wait()
        assert ledger.read_text().split("\n").count("done 1000") == 1
        assert "done 1\n" not in ledger.read_text(), "none overtook"
        waiting = [
            r
            for lane in ("1s", "3s")
            for r in await world.read(f"workers.retry.{lane}", count=99, timeout_s=1)
        ]
        assert len(waiting) > 2, "they do wait in lanes"
        done: list[int] = []

        async def handler(message):
            if number_of(message) < 1000:
                done.append(number_of(message))

        async with running(world.engine(handler, policy=ORDERED)):
            await eventually(lambda: len(set(done)) == 31, within_s=40)
            await asyncio.sleep(1)
        assert done == list(range(31)), "in the order they came, each once"


async def test_order_is_kept_for_all_keys_over_rebalances_and_random_failures(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=4) as world:
        chance = random.Random(20261121)
        done: dict[str, list[int]] = {}
        failures = 0

        async def handler(message):
            nonlocal failures
            await asyncio.sleep(0.005)
            if chance.random() < 0.12:
                failures += 1
                raise Transient("at random", retry_after_s=chance.choice((0.1, 1.05, 3.1)))
            done.setdefault(message.event.key, []).append(number_of(message))

        def count():
            return sum(map(len, done.values()))

        async def feed():
            for number in range(600):
                await world.feed(event(number, key=f"k{number % 24}"))
                await asyncio.sleep(0.01)

        feeding = asyncio.create_task(feed())
        async with running(world.engine(handler, policy=ORDERED)):
            for share in (60, 150):
                await eventually(lambda share=share: count() > share, within_s=40)
                async with running(world.engine(handler, policy=ORDERED)):
                    await asyncio.sleep(3)
            await feeding
            await eventually(lambda: count() >= 600, within_s=90, why=f"{count()} of 600")
            await asyncio.sleep(1)
        assert failures > 50
        assert done == {f"k{key}": list(range(key, 600, 24)) for key in range(24)}


async def test_more_followers_than_memory_takes_come_through_in_order(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        done: list[int] = []

        async def handler(message):
            if number_of(message) == 0 and message.attempt < 3:
                raise Transient("not yet", retry_after_s=3.2)
            done.append(number_of(message))

        policy = replace(ORDERED, bounds=Bounds(records_per_partition=40))
        async with running(world.engine(handler, policy=policy)):
            await world.feed(*(event(number) for number in range(700)))
            await eventually(lambda: len(done) == 700, within_s=60, why="stuck")
        assert done == list(range(700))


async def test_a_dead_letter_lets_the_records_behind_it_go_on(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        done: list[int] = []

        async def handler(message):
            if number_of(message) == 0:
                raise Transient("never", retry_after_s=1.1)
            done.append(number_of(message))

        policy = replace(ORDERED, retry=RetryPolicy(max_attempts=2))
        async with running(world.engine(handler, policy=policy)):
            await world.feed(*(event(number) for number in range(5)))
            await eventually(lambda: len(done) == 4)
        assert done == [1, 2, 3, 4]
        (dead,) = await world.read("workers.dlq", count=1)
        assert {"posta-place", "posta-rides"}.isdisjoint(name for name, _ in dead.headers)


async def test_a_key_held_by_its_dead_letter_waits_over_a_restart_until_a_replay_ends_well(
    kafka, topic_prefix
):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        done: list[tuple[str, int]] = []
        broken = True

        async def handler(message):
            if number_of(message) == 0 and broken:
                raise Permanent("as it is, never")
            done.append((message.event.key, number_of(message)))

        policy = replace(ORDERED, on_dead_letter=OnDeadLetter.HOLD_KEY)
        async with running(world.engine(handler, policy=policy)):
            await world.feed(*(event(number, key="held") for number in range(4)))
            await world.feed(event(50, key="free"))
            (dead,) = await world.read("workers.dlq", count=1)
            await eventually(lambda: ("free", 50) in done)
        engine = world.engine(handler, policy=policy)
        async with running(engine):
            await world.feed(event(4, key="held"), event(51, key="free"))
            await eventually(lambda: ("free", 51) in done)
            await asyncio.sleep(5)
            assert [key for key, _ in done] == ["free", "free"], "held over a restart, several lanes long"
            (holder,) = engine.status().held_keys
            origin = header(dead.headers, "posta-original-offset")
            assert (holder.topic, str(holder.offset)) == ("work", origin)
            broken = False
            await replay(world, dead)
            await eventually(lambda: len(done) == 7)
            assert engine.status().held_keys == ()
        assert [number for key, number in done if key == "held"] == [0, 1, 2, 3, 4]
        async with running(world.engine(handler, policy=policy)):
            await world.feed(event(5, key="held"))
            await eventually(lambda: len(done) == 8)
            await asyncio.sleep(1)
        assert done[-1] == ("held", 5), "released for good"
        assert len(done) == 8


async def test_a_start_with_go_on_releases_held_keys(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        done: list[int] = []

        async def handler(message):
            if number_of(message) == 0:
                raise Permanent("never")
            done.append(number_of(message))

        await world.feed(*(event(number) for number in range(4)))
        async with running(
            world.engine(handler, policy=replace(ORDERED, on_dead_letter=OnDeadLetter.HOLD_KEY))
        ):
            await world.read("workers.dlq", count=1)
            await asyncio.sleep(1)
        assert done == []
        async with running(world.engine(handler, policy=ORDERED)):
            await eventually(lambda: len(done) == 3)
        assert done == [1, 2, 3]


async def replay(world, dead):
    """Publish a dead letter on the shortest lane, as dlq-admin does."""
    headers = tuple((name, value or b"") for name, value in dead.headers)
    delivery = read_delivery(topic="?", partition=0, offset=0, timestamp_ms=0, headers=headers)
    anew = replace(delivery, attempt=1, not_before=0.0, lane_due=0.0, redrive=delivery.redrive + 1)
    wire = Wire(key=dead.key, value=dead.value, headers=with_headers(headers, delivery_headers(anew)))
    await world.producer.publish("workers.retry.1s", [wire], timeout_s=10)


async def test_nothing_starts_while_the_lanes_cannot_be_lined_up(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        group = replace(GROUP, name="apart")
        await apply(world.settings.model_copy(update={"partitions": 2}), (*group.lanes, group.dlq))
        done: list[int] = []

        async def handler(message):
            done.append(number_of(message))

        engine = Engine(group, handler, kafka=world.settings, producer=world.producer, policy=ORDERED)
        async with running(engine):
            await world.feed(event(1))
            await eventually(lambda: engine._intake.joined)
            await asyncio.sleep(2)
            assert "order" in (await engine.ready_fault() or "")
            assert await engine.live_fault() is None
        assert done == []
        assert SOURCE in group.reads
