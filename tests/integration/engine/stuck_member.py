"""A member whose first record never ends: it writes down each other one it has finished."""

import asyncio
import sys
from pathlib import Path

from posta.engine.engine import Engine
from posta.engine.policy import EnginePolicy
from posta.kafka.producer import Producer
from posta.settings import KafkaSettings

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from support.engine_rig import GROUP, number_of


async def main(servers: str, prefix: str, ledger: Path) -> None:
    settings = KafkaSettings(bootstrap_servers=servers, topic_prefix=prefix, session_timeout_s=6)

    async def handler(message):
        if number_of(message) == 0:
            await asyncio.sleep(3600)
        with ledger.open("a") as done:
            done.write(f"{number_of(message)}\n")

    async with Producer(settings, client_id="stuck") as producer:
        policy = EnginePolicy(commit_interval_s=0.3, handler_timeout_s=3600)
        await Engine(GROUP, handler, kafka=settings, producer=producer, policy=policy).run(asyncio.Event())


asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
