"""Discord's REST API, version 10: webhooks, interaction responses, and posting into a channel."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import UploadFile

from posta_sandbox.discord import people, throttle
from posta_sandbox.discord.buckets import Buckets, Verdict
from posta_sandbox.discord.errors import (
    DiscordError,
    invalid_form,
    invalid_json,
    refused_client,
    unknown_interaction,
)
from posta_sandbox.discord.interaction import Callback, Interaction
from posta_sandbox.discord.limits import ATTACHMENTS, problem
from posta_sandbox.discord.message import Message
from posta_sandbox.discord.people import Place
from posta_sandbox.discord.state import DiscordState, Webhook, edit
from posta_sandbox.rules import DiscordRules

PREFIX = "/api/v10"
_OWNER = re.compile(rf"{PREFIX}/(?:webhooks|interactions)/(?P<owner>[^/]+)/(?P<token>[^/]+)")
_BARE_LIBRARIES = ("python-httpx", "python-requests", "python-urllib", "aiohttp", "go-http-client")


class Throttled(Exception):
    """A call into a closed bucket."""

    def __init__(self, verdict: Verdict, scope: str) -> None:
        super().__init__(f"rate limited ({scope})")
        self.verdict = verdict
        self.scope = scope


@dataclass(slots=True, kw_only=True)
class Discord:
    """The look-alike: what it remembers, the limits it enforces, the time it lives in."""

    state: DiscordState
    rules: DiscordRules
    buckets: Buckets
    clock: Callable[[], float]

    def count(self, request: Request, route: str, owner: str) -> None:
        """Count a call; its answer tells the bucket. Raises Throttled when the bucket is closed."""
        verdict = throttle.take_webhook(self.buckets, self.rules, route=route, owner=owner, now=self.clock())
        request.state.verdict = verdict
        if not verdict.allowed:
            raise Throttled(verdict, "user")

    def count_global(self) -> None:
        """Count a call outside interactions; raises Throttled above the global limit."""
        verdict = throttle.take_global(self.buckets, self.rules, now=self.clock())
        if not verdict.allowed:
            raise Throttled(verdict, "global")

    def count_channel(self, place: Place) -> None:
        """Count a post in a channel; raises Throttled above the limit its webhooks share."""
        verdict = throttle.take_channel(
            self.buckets, self.rules, channel_id=place.channel_id, now=self.clock()
        )
        if not verdict.allowed:
            raise Throttled(verdict, "shared")

    def check_client(self, request: Request) -> None:
        """Raise 40333 for a client that does not name itself."""
        agent = request.headers.get("user-agent", "").lower()
        if self.rules.requires_user_agent and (not agent or agent.startswith(_BARE_LIBRARIES)):
            raise refused_client()

    def hints(self, path: str) -> dict[str, str]:
        """Say which webhook or interaction a path is about, without naming a secret."""
        found = _OWNER.match(path)
        if found is None:
            return {}
        interaction = self.state.interaction_of(found["token"])
        if interaction is not None:
            return {"interaction": interaction.id}
        webhook = self.state.webhooks.get(found["owner"])
        return {"webhook": webhook.name} if webhook else {}

    def webhook_or_interaction(self, request: Request, owner_id: str, token: str) -> Webhook | Interaction:
        """Return what the two secrets of a path stand for, and count the call against it."""
        self.check_client(request)
        self.count(request, _route(request), f"{owner_id}/{token}")
        if owner_id == self.state.application_id:
            return self.state.interaction_by_token(owner_id, token, self.clock())
        self.count_global()
        return self.state.webhook(owner_id, token)


def discord_routes(discord: Discord) -> APIRouter:
    """Return the routes of the look-alike."""
    router = APIRouter(prefix=PREFIX)
    _add_webhook_routes(router, discord)
    _add_message_routes(router, discord)
    _add_bot_routes(router, discord)
    return router


def _add_webhook_routes(router: APIRouter, discord: Discord) -> None:
    state = discord.state

    @router.get("/webhooks/{owner_id}/{token}")
    async def get_webhook(request: Request, owner_id: str, token: str) -> Response:
        discord.check_client(request)
        discord.count(request, _route(request), f"{owner_id}/{token}")
        webhook = state.webhook(owner_id, token)
        return _answer(request, 200, _webhook_object(webhook))

    @router.delete("/webhooks/{owner_id}/{token}")
    async def delete_webhook(request: Request, owner_id: str, token: str) -> Response:
        discord.check_client(request)
        discord.count(request, _route(request), f"{owner_id}/{token}")
        state.delete_webhook(state.webhook(owner_id, token))
        return _answer(request, 204)

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
        body = await _body(request)
        now = discord.clock()
        if isinstance(found, Interaction):
            return _answer(request, 200, state.follow_up(found, body, now).response())
        discord.count_channel(found.place)
        message = state.execute(found, body, now, thread_id=thread_id)
        _hint(request, message=message.id)
        return _answer(request, 200, message.response()) if wait else _answer(request, 204)


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
        return _answer(request, 200, found.message.response())

    @router.patch(path)
    async def edit_message(request: Request, owner_id: str, token: str, message_id: str) -> Response:
        found = find(request, owner_id, token, message_id)
        body = await _body(request)
        if found.interaction is not None and found.message is found.interaction.original:
            discord.state.edit_original(found.interaction, body, discord.clock())
        else:
            edit(found.message, body, discord.clock())
            discord.state.version += 1
        return _answer(request, 200, found.message.response())

    @router.delete(path)
    async def delete_message(request: Request, owner_id: str, token: str, message_id: str) -> Response:
        discord.state.delete(find(request, owner_id, token, message_id).message)
        return _answer(request, 204)


def _add_bot_routes(router: APIRouter, discord: Discord) -> None:
    @router.post("/interactions/{interaction_id}/{token}/callback")
    async def callback(
        request: Request, interaction_id: str, token: str, *, with_response: bool = False
    ) -> Response:
        discord.check_client(request)
        discord.count(request, _route(request), token)
        interaction = discord.state.interactions.get(interaction_id)
        late = interaction and discord.clock() - interaction.created_at > (discord.rules.answer_within_s)
        if (
            interaction is None
            or interaction.token != token
            or (late and interaction.acknowledged_at is None)
        ):
            raise unknown_interaction()
        body = await _body(request)
        if body.get("type") == Callback.PONG:
            raise unknown_interaction()
        discord.state.answer(interaction, body, discord.clock())
        return (
            _answer(request, 200, _callback_object(interaction)) if with_response else _answer(request, 204)
        )

    @router.post("/channels/{channel_id}/messages")
    async def post_message(request: Request, channel_id: str) -> Response:
        discord.check_client(request)
        if not request.headers.get("authorization", "").startswith("Bot "):
            raise DiscordError(401, 0, "401: Unauthorized")
        discord.count(request, _route(request), channel_id)
        discord.count_global()
        place = _place(channel_id)
        message = discord.state.channel_post(place, await _body(request), discord.clock())
        return _answer(request, 200, message.response())


@dataclass(frozen=True, slots=True)
class _Found:
    """A message, and the interaction it belongs to, if any."""

    message: Message
    interaction: Interaction | None


def _place(channel_id: str) -> Place:
    for channel in people.CHANNELS:
        place = people.guild_channel(people.DEFAULT_GUILD, channel)
        if place.channel_id == channel_id:
            return place
    raise DiscordError(404, 10003, "Unknown Channel")


def _route(request: Request) -> str:
    return f"{request.method} {request.scope['route'].path}"


def _hint(request: Request, **hints: str) -> None:
    """Tell the ledger what a call was about."""
    getattr(request.state, "hints", {}).update(hints)


async def _body(request: Request) -> dict[str, Any]:
    """Return the JSON form of a request; raises 50035 or 50109."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _multipart(request)
    if kind != "application/json":
        message = f'Expected "Content-Type" header to be one of application/json, got "{kind}".'
        raise invalid_form({"content_type": problem("CONTENT_TYPE_INVALID", message)})
    return _parsed(await request.body())


def _parsed(raw: bytes | str) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as exc:
        raise invalid_json() from exc
    if not isinstance(body, dict):
        message = "Only dictionaries may be used in a ModelType"
        raise invalid_form(problem("MODEL_TYPE_CONVERT", message))
    return body


async def _multipart(request: Request) -> dict[str, Any]:
    async with request.form(max_files=ATTACHMENTS + 1) as form:
        body = _parsed(str(form.get("payload_json") or "{}"))
        files = [(name, file) for name, file in form.multi_items() if isinstance(file, UploadFile)]
        if len(files) > ATTACHMENTS:
            raise DiscordError(400, 30015, "Maximum number of attachments reached (10)")
        if files:
            body["attachments"] = [_attachment(n, file) for n, (_, file) in enumerate(files)]
    return body


def _attachment(number: int, file: UploadFile) -> dict[str, Any]:
    name = file.filename or f"file{number}"
    url = f"https://cdn.discord.invalid/attachments/{number}/{name}"
    return {
        "id": str(number),
        "filename": name,
        "size": file.size or 0,
        "url": url,
        "proxy_url": url,
        "content_type": file.content_type or "application/octet-stream",
    }


def _webhook_object(webhook: Webhook) -> dict[str, Any]:
    return {
        "application_id": None,
        "avatar": None,
        "channel_id": webhook.place.channel_id,
        "guild_id": webhook.place.guild_id,
        "id": webhook.id,
        "name": webhook.name,
        "type": 1,
        "token": webhook.token,
    }


def _callback_object(interaction: Interaction) -> dict[str, Any]:
    original = interaction.original
    about: dict[str, Any] = {"id": interaction.id, "type": interaction.use.type}
    if original is None:
        return {"interaction": about}
    about |= {
        "response_message_id": original.id,
        "response_message_loading": original.is_loading,
        "response_message_ephemeral": original.is_ephemeral,
    }
    if interaction.callback_type != Callback.MESSAGE:
        return {"interaction": about}
    resource = {"type": interaction.callback_type, "message": original.response()}
    return {"interaction": about, "resource": resource}


def _answer(request: Request, status: int, body: Any = None) -> Response:
    verdict: Verdict | None = getattr(request.state, "verdict", None)
    headers = throttle.headers(verdict) if verdict else {}
    if body is None:
        return Response(status_code=status, headers=headers)
    return JSONResponse(body, status_code=status, headers=headers)


async def show_discord_error(request: Request, error: Exception) -> Response:
    """Answer a refusal in Discord's shape."""
    assert isinstance(error, DiscordError)  # noqa: S101  # registered for this class only
    return _answer(request, error.status, error.body())


async def show_throttled(_request: Request, error: Exception) -> Response:
    """Answer a closed bucket: 429 with Discord's headers and body."""
    assert isinstance(error, Throttled)  # noqa: S101  # registered for this class only
    extra, body = throttle.refusal(error.verdict.reset_after_s, error.scope)
    headers = throttle.headers(error.verdict) | extra
    return JSONResponse(body, status_code=429, headers=headers)
