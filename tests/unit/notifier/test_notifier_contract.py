"""Every kind of request that notifier sends, held against Discord's official OpenAPI description."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from support.deliveries import discord_reply, published
from support.discord_description import check_request
from support.notifier_hands import World

from notifier.rendering.drawing import Drawing
from notifier.rendering.templates import load_templates

CONFIG = Path(__file__).resolve().parents[3] / "deploy" / "config"
WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"
ORIGINAL = f"{WEBHOOK}/messages/@original"
MESSAGE = f"{WEBHOOK}/messages/{{message_id}}"
CHANNEL = "/channels/{channel_id}/messages"


def body_of(request):
    if request.headers["content-type"] == "application/json":
        return json.loads(request.content)
    payload = request.content.split(b'name="payload_json"', 1)[1].split(b"\r\n\r\n", 1)[1]
    return json.loads(payload.split(b"\r\n--", 1)[0])


async def test_an_answer_its_follow_ups_and_its_file_conform():
    world = World()
    await world.handle(discord_reply(text="word " * 5000))
    edit, *follow_ups = world.requests
    check_request("PATCH", ORIGINAL, body_of(edit))
    for request in follow_ups:
        check_request("POST", WEBHOOK, body_of(request))


async def test_an_event_and_the_edit_of_a_standing_message_conform():
    world = World()
    await world.handle(published(1, dedupe_key="d"))
    await world.handle(published(2, dedupe_key="d"))
    post, patch = world.requests
    check_request("POST", WEBHOOK, body_of(post))
    check_request("PATCH", MESSAGE, body_of(patch))


@pytest.mark.parametrize("event_type", ["backup.failed", "posta.digest", "posta.destination.disabled"])
def test_what_the_templates_draw_conforms(event_type):
    data = {"job": "db1", "error": "e", "url": "https://example.org", "entries": [{"title": "t"}], "count": 1}
    event = published(client_type=event_type, data=data).data
    drawn = Drawing(load_templates(CONFIG)).message(event, event_id="e", language="es", repeats=3)
    check_request("POST", WEBHOOK, drawn)


async def test_direct_messages_and_messages_of_the_bot_conform():
    world = World(bot=True)
    reply = discord_reply(at=datetime.now(UTC) - timedelta(minutes=15))
    target = reply.data.target.model_copy(update={"user_id": "5", "channel_id": "6", "guild_id": "7"})
    reply = replace(reply, data=reply.data.model_copy(update={"target": target}))
    (by_dm,) = await world.handle(reply)
    world.script = [httpx.Response(200, json={"id": "99"})]
    await world.handle(by_dm.event)
    opened, sent = world.requests
    check_request("POST", "/users/@me/channels", body_of(opened))
    check_request("POST", CHANNEL, body_of(sent))
