"""Makes the commands of the rules known to the sandbox's Discord, so that its page offers them."""

import asyncio

from posta_cli.discord.api import CommandsApi
from posta_cli.discord.register import register, scopes
from posta_cli.errors import CommandError
from posta_cli.supervisor.surroundings import Surroundings, sandbox_url, uses_sandbox_discord


async def register_at_sandbox(around: Surroundings) -> str | None:
    """Register them; return what went wrong in a line, or None. A real Discord is left alone."""
    if not uses_sandbox_discord(around) or around.config_dir is None or not around.parts.services:
        return None
    try:
        await asyncio.to_thread(_register, around)
    except CommandError as exc:
        return f"The sandbox does not know the commands: {exc.what}"
    return None


def _register(around: Surroundings) -> None:
    application = around.credentials.application_id
    assert around.config_dir is not None  # noqa: S101 - looked at before
    wanted = scopes(around.config_dir, application_id=application, guild_id=None)
    url = f"{sandbox_url(around)}/api/v10"
    with CommandsApi(api_url=url, application_id=application, bot_token="sandbox") as api:  # noqa: S106 - it takes any
        register(api, wanted, prune=True, dry_run=False, show=lambda _plan: None)
