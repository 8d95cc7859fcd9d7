"""What is finished above the watermark is not done again: by restart, rebalance or crash."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from support.engine_rig import GROUP, SOURCE, event, eventually, number_of, rig, running

from posta.domain.commit_metadata import decode
from posta.engine.policy import Bounds, EnginePolicy
from posta.kafka.offsets import committed

pytestmark = pytest.mark.integration


async def test_a_restart_redoes_nothing_that_was_finished_above_a_stuck_record(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        done: list[int] = []
        let_go = asyncio.Event()

        async def handler(message):
            if number_of(message) == 0:
                await let_go.wait()
            done.append(number_of(message))

        for number in range(200):
            await world.feed(event(number, key=f"k{number}"))
        policy = EnginePolicy(drain_s=0.3, commit_interval_s=0.2)
        async with running(world.engine(handler, policy=policy)):
            await eventually(lambda: len(done) == 199)
        assert await world.committed() == 0, "the stuck record holds the watermark"
        tp = TopicPartition(topic_prefix + SOURCE.name, 0)
        stored = await committed(
            world.settings, group=topic_prefix + GROUP.name, partitions=[tp], timeout_s=5
        )
        assert decode(0, stored[tp].metadata) == set(range(1, 200))
        let_go.set()
        async with running(world.engine(handler, policy=policy)):
            await eventually(lambda: 0 in done)
            await asyncio.sleep(0.5)
        assert sorted(done) == list(range(200)), "each once"
        assert await world.committed() == 200


async def test_a_crash_redoes_only_what_one_commit_interval_finished(kafka, topic_prefix, tmp_path):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        for number in range(2000):
            await world.feed(event(number, key=f"k{number}"))
        ledger = tmp_path / "done"
        program = Path(__file__).with_name("stuck_member.py")
        arguments = [kafka.bootstrap_servers, topic_prefix, str(ledger)]
        member = await asyncio.create_subprocess_exec(sys.executable, str(program), *arguments)
        await eventually(lambda: ledger.exists() and len(ledger.read_text().split()) == 1999, within_s=40)
        await asyncio.sleep(1)  # more than the member's commit interval
        os.kill(member.pid, signal.SIGKILL)
        await member.wait()
        again: list[int] = []

        async def handler(message):
            again.append(number_of(message))

        async with running(world.engine(handler)):
            await eventually(lambda: 0 in again, within_s=30)
            await asyncio.sleep(1)
        assert again == [0]


async def test_a_stuck_record_stops_intake_at_the_span_and_lets_it_go_on_afterwards(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        done: list[int] = []
        let_go = asyncio.Event()

        async def handler(message):
            if number_of(message) == 0:
                await let_go.wait()
            done.append(number_of(message))

        for number in range(2500):
            await world.feed(event(number, key=f"k{number}"))
        policy = EnginePolicy(bounds=Bounds(span_per_partition=100))
        engine = world.engine(handler, policy=policy)
        async with running(engine):
            await eventually(lambda: len(done) >= 99)
            await asyncio.sleep(1)
            assert len(done) <= 100 + 500, "at most one poll beyond the bound"
            let_go.set()
            await eventually(lambda: len(done) == 2500, within_s=30)
        assert sorted(done) == list(range(2500))
