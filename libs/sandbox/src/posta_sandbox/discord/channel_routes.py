"""The part of Discord's REST API that needs a bot's token: channels, their messages, direct messages."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from posta_sandbox.discord.answers import answer
from posta_sandbox.discord.errors import DiscordError, invalid_form, unknown_message
from posta_sandbox.discord.form import read_form
from posta_sandbox.discord.limits import problem
from posta_sandbox.discord.lookalike import Discord, route_of
from posta_sandbox.discord.message import Message
from posta_sandbox.discord.state import edit

BOT_PREFIX = "Bot "
LISTED_MOST = 100


def add_channel_routes(router: APIRouter, discord: Discord) -> None:
    """Add the routes to Discord's router."""
    _add_messages(router, discord)
    _add_one_message(router, discord)
    _add_direct(router, discord)


def _add_messages(router: APIRouter, discord: Discord) -> None:
    @router.post("/channels/{channel_id}/messages")
    async def post_message(request: Request, channel_id: str) -> Response:
        _enter(discord, request, channel_id)
        place = discord.state.place(channel_id)
        if place.guild_id is None and _is_closed(discord, channel_id):
            raise DiscordError(403, 50007, "Cannot send messages to this user")
        message = discord.state.channel_post(place, await read_form(request), discord.clock())
        return answer(request, 200, message.response())

    @router.get("/channels/{channel_id}/messages")
    async def list_messages(request: Request, channel_id: str, after: str = "0", limit: int = 50) -> Response:
        _enter(discord, request, channel_id)
        discord.state.place(channel_id)
        if not (after.isdigit() and 1 <= limit <= LISTED_MOST):
            raise invalid_form({"limit": problem("NUMBER_TYPE_MAX", "int value should be 1 to 100.")})
        found = [m for m in discord.state.messages_in(channel_id) if int(m.id) > int(after)][:limit]
        return answer(request, 200, [_seen(discord, message) for message in reversed(found)])


def _add_one_message(router: APIRouter, discord: Discord) -> None:
    path = "/channels/{channel_id}/messages/{message_id}"

    def find(channel_id: str, message_id: str) -> Message:
        for message in discord.state.messages_in(channel_id):
            if message.id == message_id:
                return message
        raise unknown_message()

    @router.get(path)
    async def get_message(request: Request, channel_id: str, message_id: str) -> Response:
        _enter(discord, request, channel_id)
        return answer(request, 200, _seen(discord, find(channel_id, message_id)))

    @router.patch(path)
    async def edit_message(request: Request, channel_id: str, message_id: str) -> Response:
        _enter(discord, request, channel_id)
        message = find(channel_id, message_id)
        if message.author["id"] != discord.state.application_id:
            raise DiscordError(403, 50005, "Cannot edit a message authored by another user")
        edit(message, await read_form(request), discord.clock())
        discord.state.version += 1
        return answer(request, 200, message.response())

    @router.delete(path)
    async def delete_message(request: Request, channel_id: str, message_id: str) -> Response:
        _enter(discord, request, channel_id)
        discord.state.delete(find(channel_id, message_id))
        return answer(request, 204)


def _add_direct(router: APIRouter, discord: Discord) -> None:
    @router.post("/users/@me/channels")
    async def open_direct(request: Request) -> Response:
        _enter(discord, request, "@me")
        user_id = str((await read_form(request)).get("recipient_id") or "")
        if not user_id.isdigit():
            raise invalid_form({"recipient_id": problem("BASE_TYPE_REQUIRED", "This field is required")})
        place = discord.state.open_direct(user_id)
        recipient = {
            "id": user_id,
            "username": user_id,
            "discriminator": "0",
            "avatar": None,
            "global_name": None,
            "public_flags": 0,
            "flags": 0,
            "primary_guild": None,
            "clan": None,
        }
        channel = {"id": place.channel_id, "type": 1, "flags": 0, "recipients": [recipient]}
        return answer(request, 200, channel)


def _enter(discord: Discord, request: Request, channel_id: str) -> None:
    """Count a bot's call. Raises 401 without the bot's token, and Throttled."""
    discord.check_client(request)
    given = request.headers.get("authorization", "")
    wanted = discord.rules.bot_token
    if not given.startswith(BOT_PREFIX) or (wanted and given != BOT_PREFIX + wanted):
        raise DiscordError(401, 0, "401: Unauthorized")
    discord.count(request, route_of(request), channel_id)
    discord.count_global("bot")


def _is_closed(discord: Discord, channel_id: str) -> bool:
    closed = {discord.state.open_direct(user_id).channel_id for user_id in discord.rules.closed_dms}
    return channel_id in closed


def _seen(discord: Discord, message: Message) -> dict[str, Any]:
    """A message as the bot sees it: without the privileged intent, other people's is empty."""
    shown = message.response()
    if discord.rules.sees_content or message.author["id"] == discord.state.application_id:
        return shown
    return shown | {"content": "", "embeds": [], "attachments": [], "components": []}
