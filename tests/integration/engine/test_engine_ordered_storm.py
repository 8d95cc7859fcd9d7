"""Ordered retries while members are killed and replaced at random: every key's first successes in order."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from support.engine_rig import event, eventually, rig

pytestmark = pytest.mark.integration
SEED = int(os.environ.get("POSTA_TEST_SEED", "7"))
RECORDS, KEYS = 600, 20


def firsts(ledger: Path) -> dict[str, list[int]]:
    """Each key's records in the order of their first success."""
    found: dict[str, dict[int, None]] = defaultdict(dict)
    for line in ledger.read_text().splitlines() if ledger.exists() else ():
        key, number = line.split()
        found[key].setdefault(int(number))
    return {key: list(numbers) for key, numbers in found.items()}


async def test_order_is_kept_while_members_are_killed_and_replaced(kafka, topic_prefix, tmp_path):
    chance = random.Random(SEED)
    ledger = tmp_path / "ledger"
    members: list[asyncio.subprocess.Process] = []
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=4) as world:

        async def start() -> None:
            program = Path(__file__).with_name("flaky_member.py")
            arguments = [kafka.bootstrap_servers, topic_prefix, str(ledger), str(chance.randrange(1000))]
            members.append(await asyncio.create_subprocess_exec(sys.executable, str(program), *arguments))

        async def feed() -> None:
            for number in range(RECORDS):
                await world.feed(event(number, key=f"k{number % KEYS}"))
                await asyncio.sleep(0.04)

        try:
            await start()
            await start()
            feeding = asyncio.create_task(feed())
            await eventually(ledger.exists, within_s=30)
            for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
                await asyncio.sleep(chance.uniform(2, 5))
                victim = members.pop(chance.randrange(len(members)))
                victim.send_signal(how)
                code = await asyncio.wait_for(victim.wait(), 15)
                assert how is signal.SIGKILL or code == 0
                await start()
            await feeding
            await eventually(
                lambda: sum(map(len, firsts(ledger).values())) == RECORDS, within_s=120, why="lost or stuck"
            )
        finally:
            for member in members:
                with contextlib.suppress(ProcessLookupError):
                    member.kill()
                await member.wait()
    expected = {f"k{key}": list(range(key, RECORDS, KEYS)) for key in range(KEYS)}
    assert firsts(ledger) == expected, f"seed {SEED}"
    doubles = len(ledger.read_text().splitlines()) - RECORDS
    assert doubles <= RECORDS // 4, "only what a kill -9 left uncommitted is done twice"
