"""Numbered SQL migrations, applied in order by one process at a time.

Files ``sql/NNNN_name.sql`` run once each, in a transaction, under an advisory lock. A migration
must be safe while the version before it is still running: add, never rename or drop in one step.
"""

import hashlib
from dataclasses import dataclass
from importlib.resources import files

import asyncpg

from posta.errors import ConfigurationError, Unavailable
from posta.postgres.pool import DEPENDENCY

_LOCK = 0x706F737461  # "posta"
_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file of ``sql/``."""

    name: str
    sha256: str
    statements: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Which migrations a database has, and which it lacks."""

    applied: tuple[str, ...]
    pending: tuple[str, ...]


def declared() -> list[Migration]:
    """The migrations this version knows, in order."""
    found = []
    for entry in sorted(files("posta.postgres").joinpath("sql").iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".sql"):
            text = entry.read_text(encoding="utf-8")
            digest = hashlib.sha256(text.encode()).hexdigest()
            found.append(Migration(name=entry.name.removesuffix(".sql"), sha256=digest, statements=text))
    return found


async def migrate(url: str) -> list[str]:
    """Apply what is pending; return the names applied, in order.

    Raises ``Unavailable`` when the database cannot be reached, ``ConfigurationError`` when an
    applied migration's text has changed since.
    """
    connection = await _connect(url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute(_TABLE)
        applied = await _applied(connection)
        done = []
        for migration in declared():
            known = applied.get(migration.name)
            if known is None:
                async with connection.transaction():
                    await connection.execute(migration.statements)
                    await connection.execute(
                        "INSERT INTO schema_migration (name, sha256) VALUES ($1, $2)",
                        migration.name,
                        migration.sha256,
                    )
                done.append(migration.name)
            elif known != migration.sha256:
                raise ConfigurationError(
                    f"migration {migration.name} was changed after it was applied to this "
                    "database: restore its text and put the change into a new migration"
                )
        return done
    finally:
        await connection.close(timeout=5)


async def status(url: str) -> Status:
    """What the database has. Raises ``Unavailable`` when it cannot be reached."""
    connection = await _connect(url)
    try:
        exists = await connection.fetchval("SELECT to_regclass('schema_migration')")
        applied = await _applied(connection) if exists else {}
    finally:
        await connection.close(timeout=5)
    known = [migration.name for migration in declared()]
    return Status(
        applied=tuple(name for name in known if name in applied),
        pending=tuple(name for name in known if name not in applied),
    )


async def _applied(connection: asyncpg.Connection) -> dict[str, str]:
    rows = await connection.fetch("SELECT name, sha256 FROM schema_migration")
    return {row["name"]: row["sha256"] for row in rows}


async def _connect(url: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(url, timeout=10, command_timeout=60)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        raise Unavailable(DEPENDENCY, f"{type(exc).__name__}: {exc}") from exc
