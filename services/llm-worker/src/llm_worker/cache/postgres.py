"""The answer cache in PostgreSQL: one worker asks, the others wait for what it hears.

(no row, expired, or the asker's time is over) ──look──▶ Mine: ask; shared when the answer is stored
asking ──look──▶ Elsewhere(wait)                 ready ──look──▶ Hit
"""

from dataclasses import dataclass

from llm_worker.catalogue.sql import VERSION
from llm_worker.conversation.sql import is_new
from posta.postgres.pool import Database

# The disk is not waited for: if PostgreSQL crashes within half a second, two events may ask the same.
_LOOK = f"""
WITH named AS (SELECT $1 || ':' || {VERSION} AS key WHERE {is_new(5)}),
taken AS (
    INSERT INTO cached_answer AS c (key, scope, state, event_id, asking_until, expires_at)
    SELECT key, $2, 'asking', $3, clock_timestamp() + make_interval(secs => $4),
           clock_timestamp() + make_interval(secs => $4) FROM named
    ON CONFLICT (key) DO UPDATE SET state = 'asking', event_id = excluded.event_id, text = NULL, model = NULL,
           asking_until = excluded.asking_until, expires_at = excluded.expires_at,
           created_at = clock_timestamp()
     WHERE (c.state = 'ready' AND c.expires_at <= clock_timestamp())
        OR (c.state = 'asking' AND (c.asking_until <= clock_timestamp() OR c.event_id = excluded.event_id))
    RETURNING key
), hit AS (
    UPDATE cached_answer SET hits = hits + 1
     WHERE key = (SELECT key FROM named) AND state = 'ready' AND NOT EXISTS (SELECT FROM taken)
    RETURNING text, model, event_id
)
SELECT set_config('synchronous_commit', 'off', true) AS not_flushed,
       EXISTS (SELECT FROM named) AS shareable, EXISTS (SELECT FROM taken) AS mine,
       (SELECT ROW(text, model, event_id) FROM hit) AS hit,
       (SELECT extract(epoch FROM asking_until - clock_timestamp())::float8 FROM cached_answer
         WHERE key = (SELECT key FROM named) AND state = 'asking') AS left_s
"""  # noqa: S608 - constants, put together
_SHARED = """
SELECT scope, count(*)::int AS answers, sum(hits)::int AS hits FROM cached_answer
 WHERE state = 'ready' AND expires_at > clock_timestamp() GROUP BY scope ORDER BY hits DESC, scope
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
        self.ttl_s = ttl_s
        """How long others are given an answer."""
        self._asking_s = asking_s

    async def look(
        self, key: str, *, scope: str, event_id: str, conversation: str
    ) -> Hit | Mine | Elsewhere | None:
        """Find the answer that this version of the catalogue was asked for, or take it on to ask for it.

        None: the question goes on with a conversation, so its answer may depend on what was said.
        """
        async with self._database.connection() as connection:
            (row,) = await connection.fetch(_LOOK, key, scope, event_id, self._asking_s, conversation)
        if not row["shareable"]:
            return None
        if row["mine"]:
            return Mine()
        if row["hit"] is not None:
            text, model, origin = row["hit"]
            return Hit(text=text, model=model, event_id=origin)
        return Elsewhere(left_s=max(0.0, row["left_s"] or 0.0))

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
