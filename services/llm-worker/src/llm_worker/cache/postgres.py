"""The answer cache in PostgreSQL: one worker asks, the others wait for what it hears.

(no row, expired, or the asker's time is over) ──look──▶ Mine: ask, then keep
asking ──look──▶ Elsewhere(wait)                 ready ──look──▶ Hit
"""

from dataclasses import dataclass

from posta.postgres.pool import Database

_LOOK = """
INSERT INTO cached_answer AS c (key, scope, state, event_id, asking_until, expires_at)
VALUES ($1, $2, 'asking', $3, clock_timestamp() + make_interval(secs => $4),
        clock_timestamp() + make_interval(secs => $4))
ON CONFLICT (key) DO UPDATE SET state = 'asking', event_id = excluded.event_id, text = NULL, model = NULL,
       asking_until = excluded.asking_until, expires_at = excluded.expires_at, created_at = clock_timestamp()
 WHERE (c.state = 'ready' AND c.expires_at <= clock_timestamp())
    OR (c.state = 'asking' AND (c.asking_until <= clock_timestamp() OR c.event_id = excluded.event_id))
RETURNING key
"""
_HIT = """
UPDATE cached_answer SET hits = hits + 1 WHERE key = $1 AND state = 'ready' RETURNING text, model, event_id
"""
_WAIT = """
SELECT extract(epoch FROM asking_until - clock_timestamp())::float8 FROM cached_answer
 WHERE key = $1 AND state = 'asking'
"""
_SHARED = """
SELECT scope, count(*)::int AS answers, sum(hits)::int AS hits FROM cached_answer
 WHERE state = 'ready' AND expires_at > clock_timestamp() GROUP BY scope ORDER BY hits DESC, scope
"""
_KEEP = """
UPDATE cached_answer SET state = 'ready', text = $2, model = $3, asking_until = NULL,
       expires_at = clock_timestamp() + make_interval(secs => $4)
 WHERE event_id = $1 AND state = 'asking'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """The answer that was given to ``event_id``."""

    text: str
    model: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Mine:
    """Nobody has asked: this event does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Another event asks the same right now."""

    left_s: float
    """Until it is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What one scope shares."""

    scope: str
    """A guild, a person who writes directly, or a mailbox."""
    answers: int
    hits: int
    """How often they were given again."""


class AnswerCache:
    """Every call raises ``Unavailable`` while the database is away."""

    def __init__(self, database: Database, *, ttl_s: float, asking_s: float) -> None:
        self._database = database
        self._ttl_s = ttl_s
        self._asking_s = asking_s

    async def look(self, key: str, *, scope: str, event_id: str) -> Hit | Mine | Elsewhere:
        """Find the answer, or take it on to ask for it."""
        async with self._database.connection() as connection:
            if await connection.fetchval(_LOOK, key, scope, event_id, self._asking_s) is not None:
                return Mine()
            row = await connection.fetchrow(_HIT, key)
            if row is not None:
                return Hit(text=row["text"], model=row["model"], event_id=row["event_id"])
            left_s = await connection.fetchval(_WAIT, key)
        return Elsewhere(left_s=max(0.0, left_s or 0.0))

    async def keep(self, event_id: str, *, text: str, model: str) -> None:
        """Keep what ``event_id`` heard, if it looked for an answer and no other took over."""
        async with self._database.connection() as connection:
            await connection.execute(_KEEP, event_id, text, model, self._ttl_s)

    async def shared(self) -> list[Shared]:
        """What each scope shares now, the most used first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_SHARED)
        return [Shared(scope=row["scope"], answers=row["answers"], hits=row["hits"]) for row in rows]

    async def clear(self, *, scope: str | None = None) -> int:
        """Forget the answers of ``scope``, or all; returns how many."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "DELETE FROM cached_answer WHERE $1::text IS NULL OR scope = $1 RETURNING key", scope
            )
        return len(rows)

    async def let_go(self, event_id: str) -> None:
        """``event_id`` asks nobody after all: another one may at once."""
        async with self._database.connection() as connection:
            await connection.execute(
                "DELETE FROM cached_answer WHERE event_id = $1 AND state = 'asking'", event_id
            )

    async def drop(self, event_id: str) -> None:
        """Forget what ``event_id`` heard."""
        async with self._database.connection() as connection:
            await connection.execute(
                "DELETE FROM cached_answer WHERE event_id = $1 AND state = 'ready'", event_id
            )
