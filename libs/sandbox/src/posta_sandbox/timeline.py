"""What the page polls: everything that was said, in one answer that is cheap when nothing changed."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from posta_sandbox.discord import people
from posta_sandbox.discord.interactions import AUTOCOMPLETE, PING
from posta_sandbox.discord.webhook import Webhook
from posta_sandbox.faults import Service
from posta_sandbox.world import World

INTERACTIONS_SHOWN = 150
POSTS_SHOWN = 150
WEBHOOKS_SHOWN = 50
_UNSEEN = (PING, AUTOCOMPLETE)
"""Nobody sees these in a channel."""
_TICK_S = 5
"""An interaction fails by the passing of time alone; the page sees that this much later at most."""


def timeline_routes(world: World) -> APIRouter:
    """Return the route of the timeline."""
    router = APIRouter(prefix="/api/timeline")

    @router.get("")
    async def show(request: Request) -> Response:
        etag = f'"{world.version}-{int(world.clock()) // _TICK_S}"'
        headers = {"etag": etag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return JSONResponse(timeline(world), headers=headers)

    return router


def timeline(world: World) -> dict[str, Any]:
    """Return people, places and the newest items, oldest first."""
    state = world.discord.state
    said = [i for i in state.interactions.values() if i.use.type not in _UNSEEN]
    interactions = said[-INTERACTIONS_SHOWN:]
    webhooks = {webhook.id: webhook.name for webhook in state.webhooks.values()}
    shown_webhooks = list(state.webhooks.values())[-WEBHOOKS_SHOWN:]
    posts = list(state.posts)[-POSTS_SHOWN:]
    items = [i.view(world.clock()) | {"kind": "interaction"} for i in interactions]
    items += [post.view() | {"kind": "post", "webhook": webhooks.get(post.webhook_id)} for post in posts]
    return {
        "users": [
            {"username": u.username, "name": u.global_name, "locale": u.locale} for u in people.known_users()
        ],
        "guild": people.DEFAULT_GUILD,
        "channels": _channels(items),
        "webhooks": [_webhook(world, webhook) for webhook in shown_webhooks],
        "items": sorted(items, key=lambda item: (item["at"], item["id"])),
        "faults": {service.value: len(world.faults.view(service)) for service in Service},
        "mail_address": world.mail_address,
    }


def _webhook(world: World, webhook: Webhook) -> dict[str, Any]:
    """How a webhook is: whether it is there, and how full the bucket of its posts is."""
    level = world.discord.level(webhook)
    return {
        "name": webhook.name,
        "channel": webhook.place.channel,
        "deleted": webhook.deleted,
        "limit": level.limit,
        "remaining": level.remaining,
        "opens_at": level.opens_at,
        "refused": level.refused,
    }


def _channels(items: list[dict[str, Any]]) -> list[str]:
    """Return the guild's channels: the usual ones, then others in the order they were used."""
    used = [item["channel"] for item in items if item["guild"] == people.DEFAULT_GUILD]
    return list(dict.fromkeys([*people.CHANNELS, *used]))
