"""Discord's endpoints for application commands: what a scope has, one more, all anew."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import Response

from posta_sandbox.discord.answers import answer
from posta_sandbox.discord.errors import DiscordError
from posta_sandbox.discord.lookalike import PREFIX, Discord, route_of

_EVERYWHERE = "/applications/{application_id}/commands"
_IN_GUILD = "/applications/{application_id}/guilds/{guild_id}/commands"


def command_routes(discord: Discord) -> APIRouter:
    """Return the routes; every one needs a bot's token."""
    router = APIRouter(prefix=PREFIX)
    commands = discord.commands

    def check(request: Request, application_id: str) -> None:
        discord.check_client(request)
        if not request.headers.get("authorization", "").startswith("Bot "):
            raise DiscordError(401, 0, "401: Unauthorized")
        discord.count(request, route_of(request), application_id)
        if application_id != discord.state.application_id:
            raise DiscordError(404, 10002, "Unknown Application")

    @router.get(_EVERYWHERE)
    @router.get(_IN_GUILD)
    async def index(
        request: Request,
        application_id: str,
        guild_id: str | None = None,
        *,
        with_localizations: bool = False,
    ) -> Response:
        check(request, application_id)
        return answer(request, 200, commands.of(guild_id, with_localizations=with_localizations))

    @router.put(_EVERYWHERE)
    @router.put(_IN_GUILD)
    async def overwrite(
        request: Request,
        application_id: str,
        wanted: Annotated[list[Any], Body()],
        guild_id: str | None = None,
    ) -> Response:
        check(request, application_id)
        return answer(request, 200, commands.overwrite(guild_id, wanted))

    @router.post(_EVERYWHERE)
    @router.post(_IN_GUILD)
    async def upsert(
        request: Request,
        application_id: str,
        one: Annotated[dict[str, Any], Body()],
        guild_id: str | None = None,
    ) -> Response:
        check(request, application_id)
        key = (one.get("type") or 1, one.get("name"))
        others = [known for known in commands.of(guild_id) if (known["type"], known["name"]) != key]
        is_new = len(others) == len(commands.of(guild_id))
        registered = commands.overwrite(guild_id, [*others, one])
        return answer(request, 201 if is_new else 200, registered[-1])

    return router
