"""A member that was stopped for longer than its session, and then goes on as if nothing had happened."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from support.engine_rig import event, eventually, number_of, result_of, rig, running

from posta.domain.envelope import header

pytestmark = pytest.mark.integration


async def test_a_zombie_commits_nothing_and_its_late_publish_is_a_double_with_the_same_id(
    kafka, topic_prefix, tmp_path
):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        begun, go = tmp_path / "begun", tmp_path / "go"
        program = Path(__file__).with_name("zombie_member.py")
        arguments = [kafka.bootstrap_servers, topic_prefix, str(begun), str(go)]
        await world.feed(event(0))
        log = (tmp_path / "log").open("wb")
        zombie = await asyncio.create_subprocess_exec(
            sys.executable, str(program), *arguments, stdout=log, stderr=log
        )
        try:
            await eventually(begun.exists, within_s=40)
            os.kill(zombie.pid, signal.SIGSTOP)
            done: list[int] = []

            async def handler(message):
                done.append(number_of(message))
                return [result_of(message)]

            async with running(world.engine(handler)):
                await eventually(lambda: done == [0], within_s=40, why="its session times out after 6 s")
                await world.feed(*(event(number, key=f"k{number}") for number in range(1, 5)))
                await eventually(lambda: len(done) == 5, within_s=30)
                # It holds the partition no more, its handler ends now, and nobody has told it so.
                go.touch()
                os.kill(zombie.pid, signal.SIGCONT)
                results = await world.read("results", count=6, timeout_s=30)
            assert await world.committed() == 5, "what the zombie thinks is finished moves nothing"
            ids = [header(record.headers, "ce_id") for record in results]
            assert sorted(set(ids)) == [f"event:{number}/result" for number in range(5)]
            assert ids.count("event:0/result") == 2, "its late publish has the id of the one that counts"
        finally:
            os.kill(zombie.pid, signal.SIGCONT)
            zombie.terminate()
            assert await asyncio.wait_for(zombie.wait(), 30) == 0, "it has become a member like any other"
            log.close()
