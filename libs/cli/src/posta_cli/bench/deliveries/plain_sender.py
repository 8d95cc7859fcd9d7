"""The plain sender: reads Kafka and calls Discord, 64 at once; no order, ledger, limits or retries.

Arguments: bootstrap servers, topic, group, the API's base, the health port.
"""

import asyncio
import json
import sys

import httpx
import uvloop
from aiokafka import AIOKafkaConsumer

from posta.domain.envelope import decode
from posta.domain.payloads import DiscordTarget, ReplyReady

_AT_ONCE = 64
_POLL_MS = 200
_HEALTHY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def send_all(bootstrap: str, topic: str, group: str, api_url: str, port: int) -> None:
    """Send for ever; ready when ``port`` answers."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=True,
    )
    await consumer.start()
    await asyncio.start_server(_healthy, "127.0.0.1", port)
    limit = asyncio.Semaphore(_AT_ONCE)
    limits = httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=_AT_ONCE)
    async with httpx.AsyncClient(limits=limits) as client, asyncio.TaskGroup() as tasks:
        while True:
            for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    await limit.acquire()
                    event = decode(key=record.key, value=record.value, headers=record.headers)
                    tasks.create_task(_send(client, api_url, event.data, limit))


async def _send(client: httpx.AsyncClient, api_url: str, reply: ReplyReady, limit: asyncio.Semaphore) -> None:
    try:
        target = reply.target
        if isinstance(target, DiscordTarget):
            token = target.token.get_secret_value()
            url = f"{api_url}/webhooks/{target.application_id}/{token}/messages/@original"
            body = json.dumps({"content": reply.text, "allowed_mentions": {"parse": []}})
            answer = await client.patch(url, content=body, headers={"content-type": "application/json"})
            answer.raise_for_status()
    finally:
        limit.release()


async def _healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(_HEALTHY)
    writer.close()


if __name__ == "__main__":
    servers, source, name, base, health = sys.argv[1:6]
    uvloop.run(send_all(servers, source, name, base, int(health)))
