"""Keeps what became of each interaction, without anybody ever waiting for it.

Notes are put into memory and written in the background, many at once. While the database is away they
wait, the oldest are dropped first, and delivery goes on: this record is for people to look at.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Any

import asyncpg

from posta.background import alongside
from posta.domain.interaction_state import Note, merged
from posta.errors import Unavailable
from posta.postgres.pool import Database
from posta.tasks import within
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_HELD_MOST = 20_000
_BATCH = 500
_EVERY_S = 0.2
_AWAY_S = 2.0
_LAST_WRITE_S = 1.0

_WRITE = """
INSERT INTO interaction AS i (id, application_id, kind, command, guild_id, state, attempts, reason, trace_id,
                              accepted_at, started_at, finished_at, noted_at)
SELECT id, application_id, kind, command, guild_id, state, attempts, reason, trace_id,
       to_timestamp(accepted_at), to_timestamp(started_at), to_timestamp(finished_at), to_timestamp(at)
FROM jsonb_to_recordset($1::jsonb) AS n (
    id text, application_id text, kind integer, command text, guild_id text, state text, attempts integer,
    reason text, trace_id text, accepted_at float8, started_at float8, finished_at float8, at float8)
ORDER BY id
ON CONFLICT (id) DO UPDATE SET
    application_id = coalesce(i.application_id, excluded.application_id),
    kind = coalesce(i.kind, excluded.kind),
    command = coalesce(i.command, excluded.command),
    guild_id = coalesce(i.guild_id, excluded.guild_id),
    trace_id = coalesce(i.trace_id, excluded.trace_id),
    attempts = greatest(i.attempts, excluded.attempts),
    accepted_at = coalesce(i.accepted_at, excluded.accepted_at),
    started_at = least(i.started_at, excluded.started_at),
    (state, reason, finished_at) = (
        SELECT CASE WHEN wins THEN excluded.state ELSE i.state END,
               CASE WHEN wins THEN excluded.reason ELSE i.reason END,
               CASE WHEN wins THEN excluded.finished_at ELSE i.finished_at END
        FROM (SELECT i.state <> 'COMPLETED' AND excluded.state <> 'PENDING'
                     AND (i.state = 'PENDING' OR excluded.noted_at >= i.noted_at) AS wins) AS verdict),
    noted_at = greatest(i.noted_at, excluded.noted_at)
"""
_FIND = """
SELECT id, application_id, kind, command, guild_id, state, attempts, reason, trace_id,
       accepted_at, started_at, finished_at, noted_at
FROM interaction WHERE id = $1
"""
_CLEAN = """
DELETE FROM interaction WHERE id IN (
    SELECT id FROM interaction WHERE noted_at < now() - make_interval(secs => $1) LIMIT 10000)
"""
# How long those waited that were taken lately; if none was, how long those have waited that wait now. The
# median, and of several only: one person's queue, or one note that was lost, says nothing about the others.
_QUEUE_AGE = """
SELECT coalesce(
    (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - accepted_at))
     FROM interaction WHERE started_at > now() - interval '30 s' AND accepted_at IS NOT NULL
     HAVING count(*) >= $1),
    (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM now() - accepted_at))
     FROM interaction WHERE state = 'PENDING' AND accepted_at > now() - interval '15 min'
     HAVING count(*) >= $1),
    0)::float8
"""
_QUEUE_FEWEST = 5

_FIELDS = tuple(field.name for field in fields(Note))


def _row(note: Note) -> dict[str, Any]:
    """The note by its fields' names; ``asdict`` copies deeply and takes six times as long."""
    return {name: getattr(note, name) for name in _FIELDS}


class InteractionLog:
    """What became of interactions; safe to call from any handler."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: OrderedDict[str, Note] = OrderedDict()
        self._noted = asyncio.Event()
        self._is_away = False

    def note(self, note: Note) -> None:
        """Take ``note`` over; never waits and never fails."""
        old = self._waiting.pop(note.id, None)
        self._waiting[note.id] = note if old is None else merged(old, note)
        while len(self._waiting) > _HELD_MOST:
            self._waiting.popitem(last=False)
            names.LIFECYCLE_DROPPED.inc()
        self._noted.set()

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Write notes while the block runs, and what is left at its end if that takes no second."""
        try:
            async with alongside(self._write_on, name="interaction log"):
                yield
        finally:
            try:
                await within(_LAST_WRITE_S, self._write())
            except (TimeoutError, Unavailable, asyncpg.PostgresError) as exc:
                log.warning("lifecycle_not_written", notes=len(self._waiting), error=type(exc).__name__)

    async def find(self, interaction_id: str) -> Mapping[str, Any] | None:
        """The row of an interaction, or None. Raises ``Unavailable``."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FIND, interaction_id)
        return None if row is None else dict(row)

    async def clean(self, *, older_than_s: float) -> None:
        """Forget interactions nothing was noted of for so long. Raises ``Unavailable``."""
        async with self._database.connection() as connection:
            await connection.execute(_CLEAN, older_than_s)

    async def queue_age_s(self) -> float:
        """How long questions wait before a worker takes them, in seconds. Raises ``Unavailable``."""
        async with self._database.connection() as connection:
            age_s: float = await connection.fetchval(_QUEUE_AGE, _QUEUE_FEWEST)
        return age_s

    async def _write_on(self) -> None:
        while True:
            await self._noted.wait()
            await asyncio.sleep(_EVERY_S)
            try:
                await self._write()
            except (Unavailable, asyncpg.PostgresError) as exc:
                # A table that is not there yet counts as away, too: the migration may come.
                if not self._is_away:
                    log.warning("lifecycle_not_written", notes=len(self._waiting), error=str(exc))
                self._is_away = True
                await asyncio.sleep(_AWAY_S)
            else:
                self._is_away = False

    async def _write(self) -> None:
        while self._waiting:
            batch = dict(list(self._waiting.items())[:_BATCH])
            async with self._database.connection() as connection:
                await connection.execute(_WRITE, json.dumps([_row(note) for note in batch.values()]))
            for key, note in batch.items():
                # What was noted meanwhile is newer and still to be written.
                if self._waiting.get(key) is note:
                    del self._waiting[key]
        self._noted.clear()
