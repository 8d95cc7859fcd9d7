"""A member with ordered retries that fails at random and writes down each record it finishes."""

import asyncio
import random
import signal
import sys
from pathlib import Path

from posta.domain.retry import RetryPolicy
from posta.engine.engine import Engine
from posta.engine.policy import EnginePolicy, Retries
from posta.errors import Transient
from posta.kafka.producer import Producer
from posta.settings import KafkaSettings

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from support.engine_rig import GROUP, number_of


async def main(servers: str, prefix: str, ledger: Path, seed: int) -> None:
    settings = KafkaSettings(bootstrap_servers=servers, topic_prefix=prefix, session_timeout_s=6)
    chance = random.Random(seed)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def handler(message):
        await asyncio.sleep(0.01)
        if chance.random() < 0.15:
            raise Transient("at random", retry_after_s=chance.choice((0.1, 1.05, 3.1)))
        with ledger.open("a") as lines:
            lines.write(f"{message.event.key} {number_of(message)}\n")

    async with Producer(settings, client_id="flaky") as producer:
        policy = EnginePolicy(
            retries=Retries.ORDERED, retry=RetryPolicy(max_attempts=None), commit_interval_s=0.3, drain_s=1.0
        )
        await Engine(GROUP, handler, kafka=settings, producer=producer, policy=policy).run(stop)


asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
