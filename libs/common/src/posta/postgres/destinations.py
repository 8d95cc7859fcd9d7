"""The registry of destinations in PostgreSQL: what `posta destinations` writes and the services read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import asyncpg

from posta.domain.language import Language
from posta.postgres.migrated import migrated
from posta.postgres.pool import Database

Kind = Literal["webhook", "channel", "person"]


class AlreadyRegistered(ValueError):
    """The id is taken, or the place has another id; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """One destination as it is kept; its URL only as ``sealed_url``."""

    id: str
    kind: Kind
    description: str
    place_id: str
    """Discord's id of the webhook, channel or user."""
    sealed_url: bytes | None = None
    channel_id: str | None = None
    guild_id: str | None = None
    thread_id: str | None = None
    username: str | None = None
    avatar_url: str | None = None
    language: Language = "en"
    owner: str | None = None
    """The destination that is told when this one is disabled."""
    created_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disabled:
    """Why nothing is sent to a destination any more, and since when."""

    why: str
    since: datetime


_FIELDS = (
    "id, kind, description, place_id, sealed_url, channel_id, guild_id, thread_id, username, avatar_url,"
    " language, owner, created_by"
)
_ALL = f"SELECT {_FIELDS} FROM destination ORDER BY id"  # noqa: S608 - constants only
_ADD = f"""
    INSERT INTO destination ({_FIELDS})
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""  # noqa: S608 - constants only
_REMOVE = "DELETE FROM destination WHERE id = $1 RETURNING id"
_DISABLE = """
    INSERT INTO destination_disabled (id, why) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING RETURNING id
"""
_ENABLE = "DELETE FROM destination_disabled WHERE id = $1 RETURNING id"
_DISABLED = "SELECT id, why, since FROM destination_disabled"


class DestinationRegistry:
    """The tables ``destination`` and ``destination_disabled``. Every method raises ``Unavailable``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[Registered]:
        """Every registered destination, by id."""
        async with migrated(self._database) as connection:
            return [_registered(row) for row in await connection.fetch(_ALL)]

    async def disabled(self) -> dict[str, Disabled]:
        """The destinations nothing is sent to, those of ``destinations.yaml`` included."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_DISABLED)
        return {row["id"]: Disabled(why=row["why"], since=row["since"]) for row in rows}

    async def add(self, new: Registered) -> None:
        """Register a destination. Raises ``AlreadyRegistered``."""
        values = [getattr(new, name.strip()) for name in _FIELDS.split(",")]
        try:
            async with self._database.connection() as connection:
                await connection.execute(_ADD, *values)
        except asyncpg.UniqueViolationError as exc:
            taken = "the id" if "pkey" in (exc.constraint_name or "") else "that place, under another id,"
            raise AlreadyRegistered(f"{taken} is registered already") from None

    async def remove(self, destination_id: str) -> bool:
        """Forget a destination and its URL; False when there is none of that id."""
        async with self._database.transaction() as connection:
            await connection.execute(_ENABLE, destination_id)
            return await connection.fetchval(_REMOVE, destination_id) is not None

    async def disable(self, destination_id: str, *, why: str) -> bool:
        """Send nothing there any more; False when it was disabled before."""
        async with self._database.connection() as connection:
            return await connection.fetchval(_DISABLE, destination_id, why[:500]) is not None

    async def enable(self, destination_id: str) -> bool:
        """Send there again; False when it was not disabled."""
        async with self._database.connection() as connection:
            return await connection.fetchval(_ENABLE, destination_id) is not None


def _registered(row: Any) -> Registered:
    return Registered(**dict(row))
