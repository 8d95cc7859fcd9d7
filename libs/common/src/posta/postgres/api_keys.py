"""The API keys in PostgreSQL: made, listed, replaced and revoked by operators, read by services."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from posta.auth import ApiKey, Principal, digest_of, new_key
from posta.postgres.migrated import migrated
from posta.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """One key as operators see it; the key itself is nowhere."""

    id: str
    name: str
    scopes: tuple[str, ...]
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def state(self, now: datetime) -> str:
        """``valid``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FreshKey:
    """A key that was just made; ``secret`` can never be seen again. Without a repr, which would show it."""

    id: str
    name: str
    secret: str


class NoSuchKey(LookupError):
    """There is no valid key of that id or name; the message says what was asked for."""


class AmbiguousKey(LookupError):
    """Several valid keys have that name; the message lists their ids."""


_COLUMNS = "id, name, scopes, sources, destinations, created_at, expires_at, revoked_at, last_used_at"
_INSERT = """
    INSERT INTO api_key (id, name, sha256, scopes, sources, destinations, expires_at, replaces)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_LIST = f"SELECT {_COLUMNS} FROM api_key ORDER BY name, created_at"  # noqa: S608 - a constant
_VALID = f"""
    SELECT {_COLUMNS} FROM api_key
    WHERE (id = $1 OR name = $1) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    ORDER BY created_at DESC
    FOR UPDATE
"""  # noqa: S608 - a constant
_END_AFTER = f"""
    UPDATE api_key SET expires_at = least(coalesce(expires_at, 'infinity'), now() + $2) WHERE id = $1
    RETURNING {_COLUMNS}
"""  # noqa: S608 - a constant
_REVOKE = f"UPDATE api_key SET revoked_at = now() WHERE id = $1 RETURNING {_COLUMNS}"  # noqa: S608 - a constant
_USABLE = """
    SELECT name, sha256, scopes, sources, destinations, expires_at FROM api_key
    WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""
_USED = """
    UPDATE api_key SET last_used_at = now()
    WHERE sha256 = ANY($1) AND (last_used_at IS NULL OR last_used_at < now() - interval '1 hour')
"""


class KeyTable:
    """The table ``api_key``. Every method raises ``Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        name: str,
        *,
        scopes: Collection[str],
        sources: Collection[str] = (),
        destinations: Collection[str] = (),
        expires_at: datetime | None = None,
    ) -> FreshKey:
        """Make a key; several may have one name, which is what their events are known by."""
        async with migrated(self._database) as connection:
            return await _insert(
                connection,
                name,
                scopes=sorted(scopes),
                sources=sorted(sources),
                destinations=sorted(destinations),
                expires_at=expires_at,
            )

    async def rotate(
        self, which: str, *, overlap: timedelta, expires_at: datetime | None = None
    ) -> tuple[FreshKey, KeyRow]:
        """Make a key that may do the same as ``which``, an id or name, which ends after ``overlap``.

        Returns the new key and the old one as it now is. Raises ``NoSuchKey`` or ``AmbiguousKey``.
        """
        async with migrated(self._database) as connection:
            old = await _one(connection, which)
            fresh = await _insert(
                connection,
                old.name,
                scopes=old.scopes,
                sources=old.sources,
                destinations=old.destinations,
                expires_at=expires_at,
                replaces=old.id,
            )
            row = await connection.fetchrow(_END_AFTER, old.id, overlap)
        return fresh, _row(row)

    async def revoke(self, which: str) -> KeyRow:
        """End a key at once, by its id or name. Raises ``NoSuchKey`` or ``AmbiguousKey``."""
        async with migrated(self._database) as connection:
            old = await _one(connection, which)
            row = await connection.fetchrow(_REVOKE, old.id)
        return _row(row)

    async def rows(self) -> list[KeyRow]:
        """Every key there ever was, by name and age."""
        async with migrated(self._database) as connection:
            return [_row(row) for row in await connection.fetch(_LIST)]

    async def usable(self) -> tuple[ApiKey, ...]:
        """The keys that are neither revoked nor expired."""
        async with migrated(self._database) as connection:
            rows = await connection.fetch(_USABLE)
        return tuple(
            ApiKey(
                principal=Principal(
                    name=row["name"],
                    scopes=frozenset(row["scopes"]),
                    sources=tuple(row["sources"]),
                    destinations=tuple(row["destinations"]),
                ),
                sha256=bytes(row["sha256"]),
                expires_at=row["expires_at"] and row["expires_at"].timestamp(),
            )
            for row in rows
        )

    async def note_used(self, digests: Collection[bytes]) -> None:
        """Note that the keys with these hashes were used, at most once an hour each."""
        if digests:
            async with migrated(self._database) as connection:
                await connection.execute(_USED, list(digests))


async def _insert(
    connection: Any,
    name: str,
    *,
    scopes: Collection[str],
    sources: Collection[str],
    destinations: Collection[str],
    expires_at: datetime | None,
    replaces: str | None = None,
) -> FreshKey:
    made = FreshKey(id=f"key_{secrets.token_hex(4)}", name=name, secret=new_key())
    await connection.execute(
        _INSERT,
        made.id,
        name,
        digest_of(made.secret),
        list(scopes),
        list(sources),
        list(destinations),
        expires_at,
        replaces,
    )
    return made


async def _one(connection: Any, which: str) -> KeyRow:
    found = [_row(row) for row in await connection.fetch(_VALID, which)]
    if not found:
        raise NoSuchKey(f"no valid key has the id or name {which!r:.80}")
    if len(found) > 1:
        ids = ", ".join(row.id for row in found)
        raise AmbiguousKey(f"{len(found)} valid keys are named {which!r:.80}: name one of {ids}")
    return found[0]


def _row(row: Any) -> KeyRow:
    return KeyRow(
        id=row["id"],
        name=row["name"],
        scopes=tuple(row["scopes"]),
        sources=tuple(row["sources"]),
        destinations=tuple(row["destinations"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )
