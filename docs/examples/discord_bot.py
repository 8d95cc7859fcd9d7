"""A discord.py bot that fetches its events from Posta and shows them in a channel.

Posta calls webhooks itself; this is for a bot that wants to decide where and how each event is shown, or
that runs where nothing can reach it. Install discord.py, then:

    export POSTA_URL=http://127.0.0.1:8080  POSTA_API_KEY=…   # posta keys create my-bot --scope pull:consume
    export DISCORD_BOT_TOKEN=…  DISCORD_CHANNEL_ID=…
    python docs/examples/discord_bot.py           # stays, and looks every five seconds
    python docs/examples/discord_bot.py --once    # shows what waits and ends, as from cron

An event is lent for a minute. It counts as shown only when the bot says so, after Discord took the message:
a bot that dies in between shows one event twice, and none never.
"""

import asyncio
import logging
import os
import sys
from typing import Any

import aiohttp
import discord
from discord.ext import commands, tasks

log = logging.getLogger("posta_bot")
EVERY_S = 5.0
AT_ONCE = 10
COLOURS = {"error": 0xD83C3E, "critical": 0xD83C3E, "warning": 0xE0A100, "success": 0x2D9D5B}


class Posta:
    """The Pull API."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/") + "/discord/events"

    async def borrow(self) -> list[dict[str, Any]]:
        """The oldest events that nobody else has."""
        async with self._session.get(self._url, params={"limit": str(AT_ONCE)}) as answer:
            answer.raise_for_status()
            events: list[dict[str, Any]] = (await answer.json())["events"]
            return events

    async def shown(self, event: dict[str, Any]) -> None:
        """Say that the event was shown."""
        await self._tell(event, "processed", {"lease": event["lease"]})

    async def not_shown(self, event: dict[str, Any], why: str) -> None:
        """Say that it could not be; Posta lends it again, three times in all."""
        await self._tell(event, "failed", {"lease": event["lease"], "error": why})

    async def _tell(self, event: dict[str, Any], what: str, body: dict[str, str]) -> None:
        async with self._session.post(f"{self._url}/{event['id']}/{what}", json=body) as answer:
            if answer.status != 409:  # noqa: PLR2004 - the lease ran out meanwhile: somebody else has it
                answer.raise_for_status()


class Events(commands.Cog):
    """Shows Posta's events in one channel."""

    def __init__(self, posta: Posta, channel: discord.abc.Messageable) -> None:
        self._posta = posta
        self._channel = channel

    async def cog_load(self) -> None:
        """Start looking when the bot has loaded this."""
        self.look.start()

    async def cog_unload(self) -> None:
        """Stop looking."""
        self.look.cancel()

    @tasks.loop(seconds=EVERY_S)
    async def look(self) -> None:
        """Show all that waits."""
        try:
            await self.show_what_waits()
        except aiohttp.ClientError as exc:
            log.warning("Posta is away, trying again in %g s: %s", EVERY_S, type(exc).__name__)

    async def show_what_waits(self) -> int:
        """Show events until none waits; returns how many were shown."""
        shown = 0
        while events := await self._posta.borrow():
            for event in events:
                shown += await self._show(event)
        return shown

    async def _show(self, event: dict[str, Any]) -> bool:
        try:
            await self._channel.send(embed=drawn(event), allowed_mentions=discord.AllowedMentions.none())
        except discord.HTTPException as exc:
            await self._posta.not_shown(event, f"Discord: {exc.status} {exc.code}")
            return False
        await self._posta.shown(event)
        return True


def drawn(event: dict[str, Any]) -> discord.Embed:
    """The event as an embed, within Discord's limits."""
    data = dict(event["data"])
    title = str(data.pop("title", "") or event["type"])[:256]
    text = str(data.pop("message", "") or "")[:2000]
    colour = COLOURS.get(str(data.get("severity", "")), 0x3A7BD5)
    embed = discord.Embed(title=title, description=discord.utils.escape_markdown(text), colour=colour)
    for name, value in list(data.items())[:10]:
        embed.add_field(name=str(name)[:256], value=str(value)[:200] or "-")
    embed.set_footer(text=f"{event['source']} · {event['publisher']}"[:200])
    return embed


async def main(*, once: bool) -> None:
    """Run the bot, or show what waits and end."""
    if api := os.environ.get("DISCORD_API_URL"):  # such as Posta's sandbox
        discord.http.Route.BASE = api
    headers = {"authorization": f"Bearer {os.environ['POSTA_API_KEY']}"}
    timeout = aiohttp.ClientTimeout(total=10)
    bot = commands.Bot(command_prefix="!", intents=discord.Intents.none())
    async with bot, aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        await bot.login(os.environ["DISCORD_BOT_TOKEN"])
        channel = bot.get_partial_messageable(int(os.environ["DISCORD_CHANNEL_ID"]))
        events = Events(Posta(session, os.environ["POSTA_URL"]), channel)
        if once:
            print(f"{await events.show_what_waits()} events shown")
            return
        await bot.add_cog(events)
        await bot.connect()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(main(once="--once" in sys.argv[1:]))
