"""The plain sender: reads Kafka and calls Discord, 64 at once; no order, ledger, limits or retries.

Arguments: bootstrap servers, topic, group, the API's base, the health port, and by what it calls:
``httpx``, or ``discord-webhook``, the client that many scripts use.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import uvloop
from aiokafka import AIOKafkaConsumer

from posta.domain.envelope import decode
from posta.domain.payloads import DiscordTarget, ReplyReady

_AT_ONCE = 64
_POLL_MS = 200
_HEALTHY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_TIMEOUT_S = 10

Edit = Callable[[str, str], Awaitable[None]]
"""Puts a text in the place of the original response of the interaction whose webhook URL it is given."""


async def send_all(bootstrap: str, topic: str, group: str, api_url: str, port: int, edit: Edit) -> None:
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
    async with asyncio.TaskGroup() as tasks:
        while True:
            for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    await limit.acquire()
                    event = decode(key=record.key, value=record.value, headers=record.headers)
                    tasks.create_task(_send(edit, api_url, event.data, limit))


async def _send(edit: Edit, api_url: str, reply: ReplyReady, limit: asyncio.Semaphore) -> None:
    try:
        target = reply.target
        if isinstance(target, DiscordTarget):
            token = target.token.get_secret_value()
            await edit(f"{api_url}/webhooks/{target.application_id}/{token}", reply.text)
    finally:
        limit.release()


def by_httpx() -> Edit:
    """One client, its connections kept."""
    limits = httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=_AT_ONCE)
    client = httpx.AsyncClient(limits=limits, timeout=_TIMEOUT_S)

    async def edit(url: str, text: str) -> None:
        body = json.dumps({"content": text, "allowed_mentions": {"parse": []}})
        answer = await client.patch(
            f"{url}/messages/@original", content=body, headers={"content-type": "application/json"}
        )
        answer.raise_for_status()

    return edit


def by_discord_webhook() -> Edit:
    """The library's synchronous form, in threads: its asynchronous one makes a client for each call."""
    from discord_webhook import DiscordWebhook  # noqa: PLC0415 - of the development environment only

    threads = ThreadPoolExecutor(_AT_ONCE)

    def call(url: str, text: str) -> None:
        webhook = DiscordWebhook(
            url=url, id="@original", content=text, allowed_mentions={"parse": []}, timeout=_TIMEOUT_S
        )
        webhook.edit().raise_for_status()

    async def edit(url: str, text: str) -> None:
        await asyncio.get_running_loop().run_in_executor(threads, call, url, text)

    return edit


async def _healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(_HEALTHY)
    writer.close()


async def _main(bootstrap: str, topic: str, group: str, api_url: str, port: str, by: str) -> None:
    edit = by_discord_webhook() if by == "discord-webhook" else by_httpx()
    await send_all(bootstrap, topic, group, api_url, int(port), edit)


if __name__ == "__main__":
    uvloop.run(_main(*sys.argv[1:7]))
