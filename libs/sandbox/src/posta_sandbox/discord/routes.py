"""Discord's REST API, version 10: webhooks, interaction responses, and posting into a channel."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response

from posta_sandbox.discord.answers import answer
from posta_sandbox.discord.channel_routes import add_channel_routes
from posta_sandbox.discord.errors import unknown_interaction
from posta_sandbox.discord.form import read_form
from posta_sandbox.discord.interaction import Callback, Interaction
from posta_sandbox.discord.lookalike import PREFIX, Discord, route_of
from posta_sandbox.discord.message import Message
from posta_sandbox.discord.state import edit
from posta_sandbox.discord.webhook import Webhook


def discord_routes(discord: Discord) -> APIRouter:
    """Return the routes of the look-alike."""
    router = APIRouter(prefix=PREFIX)
    _add_webhook_routes(router, discord)
    _add_message_routes(router, discord)
    _add_bot_routes(router, discord)
    add_channel_routes(router, discord)
    return router


def _add_webhook_routes(router: APIRouter, discord: Discord) -> None:
    state = discord.state

    @router.get("/webhooks/{owner_id}/{token}")
    async def get_webhook(request: Request, owner_id: str, token: str) -> Response:
        discord.check_client(request)
        discord.count(request, route_of(request), f"{owner_id}/{token}")
        webhook = state.webhook(owner_id, token)
        return answer(request, 200, webhook.response())

    @router.delete("/webhooks/{owner_id}/{token}")
    async def delete_webhook(request: Request, owner_id: str, token: str) -> Response:
        discord.check_client(request)
        discord.count(request, route_of(request), f"{owner_id}/{token}")
        state.delete_webhook(state.webhook(owner_id, token))
        return answer(request, 204)

    @router.post("/webhooks/{owner_id}/{token}")
    async def execute(
        request: Request,
        owner_id: str,
        token: str,
        *,
        wait: bool = False,
        thread_id: str | None = None,
    ) -> Response:
        found = discord.webhook_or_interaction(request, owner_id, token)
        body = await read_form(request)
        now = discord.clock()
        if isinstance(found, Interaction):
            return answer(request, 200, state.follow_up(found, body, now).response())
        discord.count_channel(found.place)
        message = state.execute(found, body, now, thread_id=thread_id)
        _hint(request, message=message.id)
        return answer(request, 200, message.response()) if wait else answer(request, 204)


def _add_message_routes(router: APIRouter, discord: Discord) -> None:
    path = "/webhooks/{owner_id}/{token}/messages/{message_id}"

    def find(request: Request, owner_id: str, token: str, message_id: str) -> _Found:
        owner = discord.webhook_or_interaction(request, owner_id, token)
        if isinstance(owner, Webhook):
            return _Found(discord.state.webhook_message(owner, message_id), None)
        if message_id == "@original":
            return _Found(discord.state.original(owner), owner)
        return _Found(discord.state.interaction_message(owner, message_id), owner)

    @router.get(path)
    async def get_message(request: Request, owner_id: str, token: str, message_id: str) -> Response:
        found = find(request, owner_id, token, message_id)
        return answer(request, 200, found.message.response())

    @router.patch(path)
    async def edit_message(request: Request, owner_id: str, token: str, message_id: str) -> Response:
        found = find(request, owner_id, token, message_id)
        body = await read_form(request)
        if found.interaction is not None and found.message is found.interaction.original:
            discord.state.edit_original(found.interaction, body, discord.clock())
        else:
            edit(found.message, body, discord.clock())
            discord.state.version += 1
        return answer(request, 200, found.message.response())

    @router.delete(path)
    async def delete_message(request: Request, owner_id: str, token: str, message_id: str) -> Response:
        discord.state.delete(find(request, owner_id, token, message_id).message)
        return answer(request, 204)


def _add_bot_routes(router: APIRouter, discord: Discord) -> None:
    @router.post("/interactions/{interaction_id}/{token}/callback")
    async def callback(
        request: Request, interaction_id: str, token: str, *, with_response: bool = False
    ) -> Response:
        discord.check_client(request)
        discord.count(request, route_of(request), token)
        interaction = discord.state.interactions.get(interaction_id)
        late = interaction and discord.clock() - interaction.created_at > (discord.rules.answer_within_s)
        if (
            interaction is None
            or interaction.token != token
            or (late and interaction.acknowledged_at is None)
        ):
            raise unknown_interaction()
        body = await read_form(request)
        if body.get("type") == Callback.PONG:
            raise unknown_interaction()
        discord.state.answer(interaction, body, discord.clock())
        return (
            answer(request, 200, interaction.callback_response()) if with_response else answer(request, 204)
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """A message, and the interaction it belongs to, if any."""

    message: Message
    interaction: Interaction | None


def _hint(request: Request, **hints: str) -> None:
    """Tell the ledger what a call was about."""
    getattr(request.state, "hints", {}).update(hints)
