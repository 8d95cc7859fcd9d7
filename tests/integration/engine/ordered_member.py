"""A member with ordered retries whose record 0 always fails: it writes down what it tries and finishes."""

import asyncio
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


async def main(servers: str, prefix: str, ledger: Path) -> None:
    settings = KafkaSettings(bootstrap_servers=servers, topic_prefix=prefix, session_timeout_s=6)

    async def handler(message):
        number = number_of(message)
        with ledger.open("a") as lines:
            lines.write(f"{'failed' if number == 0 else 'done'} {number}\n")
        if number == 0:
            raise Transient("not by this member", retry_after_s=3)

    async with Producer(settings, client_id="ordered") as producer:
        policy = EnginePolicy(
            retries=Retries.ORDERED, retry=RetryPolicy(max_attempts=None), commit_interval_s=0.3
        )
        await Engine(GROUP, handler, kafka=settings, producer=producer, policy=policy).run(asyncio.Event())


asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
