"""Makes one call to the system's database for a command, and says what to do when it is away."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from posta.errors import PostaError
from posta.postgres.pool import Database
from posta_cli.commands.target import shared_settings
from posta_cli.errors import CommandError

R = TypeVar("R")


def call_database(act: Callable[[Database], Awaitable[R]], *, application: str) -> R:
    """What ``act`` returns. Raises ``CommandError`` when the database cannot be used."""
    settings = shared_settings(os.environ, Path.cwd()).database

    async def acted() -> R:
        async with Database(settings, application=application) as database:
            return await act(database)

    try:
        return asyncio.run(acted())
    except PostaError as exc:
        raise CommandError(
            f"{exc}.", "Check POSTA_DATABASE__URL, run `posta db migrate`, or start `posta up`."
        ) from exc
