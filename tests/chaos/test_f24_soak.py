"""F24: hours of faults in minutes; a steady load, a random fault every so often, and memory that stays flat.

``POSTA_SOAK_S`` (seconds, 1 200) says how long, ``POSTA_SOAK_EVERY_S`` (20) how often a fault strikes.
"""

import asyncio
import os
import random
import signal
import time
from pathlib import Path

import pytest
from support.chaos.crew import Member
from support.chaos.scene import Scene, scene
from support.chaos.slope import Slope

from posta.tasks import end
from posta_sandbox.embedded.kafka import EmbeddedKafka

pytestmark = [pytest.mark.chaos, pytest.mark.integration]
SESSION_S = 6
PER_S = 100
SAMPLE_S = 2.0
MOST_GROWTH_MIB = 32.0
"""Of the member that is never struck, from a fifth of the run to its end."""


class Chaos:
    """Strikes one member, or the broker, at random."""

    def __init__(self, on: Scene, broker: EmbeddedKafka, witness: Member, seed: int) -> None:
        self._on = on
        self._broker = broker
        self._witness = witness
        self._chance = random.Random(seed)
        self.counts: dict[str, int] = {}

    async def strike(self) -> None:
        """One fault, to its end."""
        faults = {
            "kill -9": self._kill,
            "SIGTERM": self._terminate,
            "frozen beyond its session": self._freeze,
            "frozen for a moment": self._freeze_briefly,
            "one more for a while": self._join,
            "broker killed": self._kill_broker,
            "broker frozen": self._freeze_broker,
        }
        name = self._chance.choice(list(faults))
        self.counts[name] = self.counts.get(name, 0) + 1
        print(f"{time.monotonic() - self._on.began:7.1f} s  {name}", flush=True)
        await faults[name]()

    def _victim(self) -> Member:
        return self._chance.choice([one for one in self._on.crew.alive if one is not self._witness])

    async def _kill(self) -> None:
        await self._on.crew.kill(self._victim())
        await self._on.crew.start()

    async def _terminate(self) -> None:
        await self._on.crew.terminate(self._victim())
        await self._on.crew.start()

    async def _freeze(self) -> None:
        await self._on.crew.freeze(self._victim(), SESSION_S + 3)

    async def _freeze_briefly(self) -> None:
        await self._on.crew.freeze(self._victim(), 2)

    async def _join(self) -> None:
        (guest,) = await self._on.crew.start()
        await asyncio.sleep(5)
        await self._on.crew.terminate(guest)

    async def _kill_broker(self) -> None:
        with self._on.crew.outage():
            self._broker.signal(signal.SIGKILL)
            await self._broker.wait()
            await asyncio.sleep(1)
            await self._broker.start()

    async def _freeze_broker(self) -> None:
        with self._on.crew.outage():
            self._broker.signal(signal.SIGSTOP)
            await asyncio.sleep(5)
            self._broker.signal(signal.SIGCONT)


async def weigh(member: Member, slope: Slope) -> None:
    """Note what the member has in memory, for ever."""
    while True:
        slope.add(time.monotonic(), member.resident_mib)
        await asyncio.sleep(SAMPLE_S)


async def test_a_soak_with_a_random_fault_every_so_often_loses_nothing_and_grows_nowhere(
    own_kafka, topic_prefix, tmp_path: Path
):
    lasts_s = float(os.environ.get("POSTA_SOAK_S", "1200"))
    every_s = float(os.environ.get("POSTA_SOAK_EVERY_S", "20"))
    seed = int(os.environ.get("POSTA_TEST_SEED", "42"))
    print(f"\nseed {seed} (POSTA_TEST_SEED), {lasts_s:.0f} s; ledger and logs in {tmp_path}")
    broker: EmbeddedKafka = own_kafka()
    await broker.start()
    async with scene(
        broker.bootstrap_servers,
        topic_prefix,
        tmp_path / "run",
        partitions=8,
        keys=400,
        session_timeout_s=SESSION_S,
        handler_s=0.2,
        fail_share=0.05,
        flaky_keys_share=0.2,
        seed=seed,
    ) as on:
        witness, *_ = await on.crew.start(4)
        records, slope = int(lasts_s * PER_S), Slope()
        feeding = asyncio.create_task(on.world.feed_stubbornly(0, records, per_s=PER_S))
        await on.until_ended(1)
        weighing = asyncio.create_task(weigh(witness, slope))
        chaos = Chaos(on, broker, witness, seed)
        over_at = time.monotonic() + lasts_s
        while time.monotonic() + every_s < over_at:
            next_at = time.monotonic() + every_s
            await chaos.strike()
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))
        await feeding
        await end(weighing)
        await on.until_quiet(within_s=180)
        assert witness.is_alive
        after = await on.finish()
    print(f"{sum(chaos.counts.values())} faults: {chaos.counts}")
    print(f"memory of the member that was never struck: {slope}")
    print(after)
    after.check()
    assert not after.verdict.unexplained
    assert slope.growth() < MOST_GROWTH_MIB
