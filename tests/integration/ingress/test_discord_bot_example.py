"""The example bot of the documentation, run as a program: real discord.py, the real Pull API on PostgreSQL.

Discord is played by three of its HTTP endpoints; its gateway is not needed to send messages.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import SecretStr
from support.deliveries import published

from ingress.pull.route import Pull, pull_router
from posta.auth import ApiKeys, describe_key, new_key
from posta.http.app import create_app
from posta.http.health import Health
from posta.http.server import serving
from posta.postgres.keyring import KeyRing
from posta.postgres.migrations import migrate
from posta.postgres.pool import Database
from posta.postgres.pull_mailbox import PullMailbox
from posta.settings import DatabaseSettings, HttpSettings

pytestmark = pytest.mark.integration
EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "discord_bot.py"
TOKEN = "a made-up bot token"
CHANNEL = "1100000000000000002"


class Discord:
    """The endpoints of Discord that a bot uses to log in and to send a message to a channel."""

    def __init__(self):
        self.sent = []
        self.refused = set()
        """Titles of embeds it does not take."""

    def router(self):
        router = APIRouter(prefix="/api/v10")
        user = {"id": "1", "username": "posta-bot", "discriminator": "0", "avatar": None, "bot": True}

        @router.get("/users/@me")
        async def me(request: Request) -> Response:
            known = request.headers.get("authorization") == f"Bot {TOKEN}"
            return JSONResponse(user if known else {"message": "401: Unauthorized", "code": 0},
                                status_code=200 if known else 401)  # fmt: skip

        @router.get("/oauth2/applications/@me")
        async def application() -> Response:
            described = {"id": "2", "name": "posta", "description": "", "icon": None, "bot_public": True,
                         "bot_require_code_grant": False, "verify_key": "00", "flags": 0, "owner": user,
                         "summary": "", "team": None}  # fmt: skip
            return JSONResponse(described)

        @router.post("/channels/{channel}/messages")
        async def send(channel: str, request: Request) -> Response:
            body = json.loads(await request.body())
            if body["embeds"][0]["title"] in self.refused:
                return JSONResponse({"message": "Missing Access", "code": 50001}, status_code=403)
            self.sent.append((channel, body))
            return JSONResponse({
                "id": str(len(self.sent)), "channel_id": channel, "author": user, "content": "", "embeds": [],
                "timestamp": "2026-01-02T03:04:05+00:00", "edited_timestamp": None, "tts": False, "type": 0,
                "mention_everyone": False, "mentions": [], "mention_roles": [], "attachments": [],
                "pinned": False, "components": [], "flags": 0,
            })  # fmt: skip

        return router


async def test_the_example_bot_shows_each_event_once_and_gives_up_what_discord_refuses(database_url):
    await migrate(database_url)
    database = Database(DatabaseSettings(url=SecretStr(database_url)), application="test")
    mailbox, discord, key = PullMailbox(database), Discord(), new_key()
    known = describe_key(key, name="my-bot", scopes=frozenset({"pull:consume"}))
    app = create_app(title="test", version="0", health=Health())
    app.include_router(pull_router(Pull(mailbox, KeyRing(ApiKeys.parse(known), None))))
    app.include_router(discord.router())
    for number in range(1, 13):
        data = {"title": f"Event {number}", "message": "*done* @everyone", "severity": "success"}
        await mailbox.put(published(number, destination="bot", data=data))
    discord.refused = {"Event 3"}
    try:
        async with serving(app, HttpSettings(port=0)) as port:
            said = await run_once(f"http://127.0.0.1:{port}", key)
    finally:
        stats = await mailbox.stats()
        await database.close()
    assert said.strip() == "11 events shown"
    titles = [body["embeds"][0]["title"] for _, body in discord.sent]
    assert titles == [f"Event {number}" for number in range(1, 13) if number != 3]
    channel, body = discord.sent[0]
    assert channel == CHANNEL
    assert body["allowed_mentions"] == {"parse": []}
    assert (stats.by_state["processed"], stats.by_state["failed"]) == (11, 1)


async def run_once(url: str, key: str) -> str:
    env = {name: text for name, text in os.environ.items() if not name.startswith("POSTA_")}
    env |= {"POSTA_URL": url, "POSTA_API_KEY": key, "DISCORD_BOT_TOKEN": TOKEN,
            "DISCORD_CHANNEL_ID": CHANNEL, "DISCORD_API_URL": f"{url}/api/v10"}  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLE), "--once", env=env, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(90):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    return said.decode()
