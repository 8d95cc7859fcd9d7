"""The HTTP API for tests and demonstrations: use commands, look at what came of it, break things."""

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from posta_sandbox.discord import people
from posta_sandbox.discord.errors import DiscordError
from posta_sandbox.discord.webhook import Webhook
from posta_sandbox.faults import Fault, Service
from posta_sandbox.interaction_request import InteractionRequest
from posta_sandbox.problems import Problem
from posta_sandbox.rules import LlmLimits, LlmSettings
from posta_sandbox.world import World

_Model = TypeVar("_Model", bound=BaseModel)


class WebhookRequest(BaseModel):
    """A webhook to create."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=80)
    channel: str = Field(people.OPS_CHANNEL, min_length=1, max_length=100)


class SettingsPatch(BaseModel):
    """What ``PUT /api/settings`` changes; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    ingress_url: str | None = None
    discord: dict[str, Any] = {}


def api_routes(world: World) -> APIRouter:
    """Return the routes under /api."""
    router = APIRouter(prefix="/api")
    _add_interactions(router, world)
    _add_webhooks(router, world)
    _add_faults(router, world)
    _add_records(router, world)
    _add_settings(router, world)
    return router


def _add_interactions(router: APIRouter, world: World) -> None:
    state = world.discord.state

    @router.post("/interactions")
    async def create(request: InteractionRequest) -> dict[str, Any]:
        message = _message(world, request.message_id) if request.message_id else None
        is_menu = request.command_type == "message" and request.target
        targeted = _message(world, str(request.target)) if is_menu else None
        types = world.discord.commands.option_types(request.command)
        use = request.use(message, targeted, types)
        interaction = await world.deliverer.deliver(use, request.tampering())
        return interaction.view(world.clock())

    @router.get("/commands")
    async def commands(*, in_guild: bool = True) -> list[dict[str, Any]]:
        place = people.guild_channel(people.DEFAULT_GUILD, people.DEFAULT_CHANNEL)
        return world.discord.commands.usable_in(place.guild_id if in_guild else None)

    @router.get("/interactions")
    async def index(limit: int = 200) -> list[dict[str, Any]]:
        newest = list(state.interactions.values())[-limit:]
        return [interaction.view(world.clock()) for interaction in newest]

    @router.get("/interactions/{interaction_id}")
    async def show(interaction_id: str) -> dict[str, Any]:
        interaction = state.interactions.get(interaction_id)
        if interaction is None:
            raise Problem(404, "Unknown interaction", f"No interaction has id {interaction_id}.")
        return interaction.view(world.clock())


def _message(world: World, message_id: str) -> dict[str, Any]:
    try:
        return world.discord.state.message(message_id).response()
    except DiscordError as exc:
        raise Problem(422, "Unknown message", f"message_id: no message has id {message_id}.") from exc


def _add_webhooks(router: APIRouter, world: World) -> None:
    state = world.discord.state

    def named(name: str) -> Webhook:
        webhook = state.named_webhook(name)
        if webhook is None:
            raise Problem(404, "Unknown webhook", f"No webhook is called {name!r}.")
        return webhook

    def shown(webhook: Webhook) -> dict[str, Any]:
        place = webhook.place
        return {
            "id": webhook.id,
            "name": webhook.name,
            "channel": place.channel,
            "deleted": webhook.deleted,
            "messages": len(state.posts_of(webhook)),
        }

    @router.get("/webhooks")
    async def index() -> list[dict[str, Any]]:
        return [shown(webhook) for webhook in state.webhooks.values()]

    @router.post("/webhooks", status_code=201)
    async def create(http: Request, request: WebhookRequest) -> dict[str, Any]:
        webhook = state.create_webhook(request.name, channel=request.channel)
        url = f"{str(http.base_url).rstrip('/')}/api/v10/webhooks/{webhook.id}/{webhook.token}"
        return shown(webhook) | {"url": url}

    @router.delete("/webhooks/{name}", status_code=204)
    async def delete(name: str) -> None:
        state.delete_webhook(named(name))

    @router.get("/messages")
    async def messages(webhook: str | None = None, channel: str | None = None) -> list[Any]:
        posts = list(state.posts) if webhook is None else state.posts_of(named(webhook))
        names = {w.id: w.name for w in state.webhooks.values()}
        return [
            m.view() | {"webhook": names.get(m.webhook_id)}
            for m in posts
            if channel is None or m.place.channel == channel
        ]


def _add_faults(router: APIRouter, world: World) -> None:
    faults = world.faults

    @router.get("/faults")
    async def index() -> dict[str, list[dict[str, object]]]:
        return {service.value: faults.view(service) for service in Service}

    @router.get("/faults/{service}")
    async def show(service: Service) -> list[dict[str, object]]:
        return faults.view(service)

    @router.put("/faults/{service}")
    async def put(service: Service, wanted: Annotated[Any, Body()]) -> list[dict[str, object]]:
        faults.put(service, _faults(wanted))
        return faults.view(service)

    @router.delete("/faults/{service}", status_code=204)
    async def clear(service: Service) -> None:
        faults.put(service, [])

    @router.delete("/faults", status_code=204)
    async def clear_all() -> None:
        faults.clear()


def _add_records(router: APIRouter, world: World) -> None:
    @router.get("/calls")
    async def calls(service: str | None = None, after: int = 0, limit: int = 0) -> list[dict[str, Any]]:
        found = world.ledger.calls(service, after=after, limit=limit)
        return [call.summary() for call in found]

    @router.get("/calls/{call_id}")
    async def call(call_id: int) -> dict[str, Any]:
        found = world.ledger.find(call_id)
        if found is None:
            raise Problem(404, "Unknown call", f"No call has id {call_id}, or it is forgotten.")
        return found.detail()

    @router.get("/traces")
    async def traces(limit: int = 200) -> list[dict[str, Any]]:
        return world.traces.newest(limit)

    @router.get("/traces/{trace_id}")
    async def trace(trace_id: str) -> dict[str, Any]:
        spans = world.traces.spans(trace_id)
        if not spans:
            raise Problem(404, "Unknown trace", f"No span of trace {trace_id} has arrived.")
        return {"trace_id": trace_id, "spans": spans}


def _add_settings(router: APIRouter, world: World) -> None:
    def current() -> dict[str, Any]:
        return {
            "ingress_url": world.deliverer.ingress_url,
            "application_id": world.discord.state.application_id,
            "public_key": world.public_key,
            "mail_address": world.mail_address,
            "discord": world.discord.rules.model_dump(),
            "llm": world.llm.settings.model_dump(),
            "llm_limits": world.llm.limits.model_dump(),
        }

    @router.get("/settings")
    async def show() -> dict[str, Any]:
        return current()

    @router.put("/settings")
    async def change(patch: SettingsPatch) -> dict[str, Any]:
        world.discord.rules = _merged(world.discord.rules, patch.discord)
        if patch.ingress_url is not None:
            world.deliverer.ingress_url = patch.ingress_url
        return current()

    @router.put("/llm/settings")
    async def llm_settings(patch: Annotated[dict[str, Any], Body()]) -> LlmSettings:
        world.llm.settings = _merged(world.llm.settings, patch)
        return world.llm.settings

    @router.put("/llm/limits")
    async def llm_limits(limits: LlmLimits) -> LlmLimits:
        world.llm.limits = limits
        world.llm.quota.clear()
        return limits

    @router.post("/reset", status_code=204)
    async def reset() -> Response:
        world.reset()
        return Response(status_code=204)


def _faults(wanted: Any) -> list[Fault]:
    """Return one fault or a list of them, checked. Raises a 422 problem."""
    several = wanted if isinstance(wanted, list) else [wanted]
    try:
        return [Fault.model_validate(one) for one in several]
    except ValidationError as exc:
        raise _unfit(exc) from exc


def _unfit(exc: ValidationError) -> Problem:
    errors = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors())
    return Problem(422, "The request does not fit", errors)


def _merged(model: _Model, patch: dict[str, Any]) -> _Model:
    """Return the settings with some changed. Raises a 422 problem naming what does not fit."""
    try:
        return type(model).model_validate(model.model_dump() | patch)
    except ValidationError as exc:
        raise _unfit(exc) from exc
