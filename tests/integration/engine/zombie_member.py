"""A member whose handler waits for a file, and then publishes: what a zombie does when it wakes up."""

import asyncio
import signal
import sys
from pathlib import Path

from posta.engine.engine import Engine
from posta.engine.policy import EnginePolicy
from posta.kafka.producer import Producer
from posta.settings import KafkaSettings

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from support.engine_rig import GROUP, result_of


async def main(servers: str, prefix: str, begun: Path, go: Path) -> None:
    settings = KafkaSettings(bootstrap_servers=servers, topic_prefix=prefix, session_timeout_s=6)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def handler(message):
        begun.touch()  # noqa: ASYNC240 - a test's signal
        while not go.exists():  # noqa: ASYNC110, ASYNC240 - another process makes the file
            await asyncio.sleep(0.01)
        return [result_of(message)]

    async with Producer(settings, client_id="zombie") as producer:
        policy = EnginePolicy(commit_interval_s=0.3)
        await Engine(GROUP, handler, kafka=settings, producer=producer, policy=policy).run(stop)


asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])))
