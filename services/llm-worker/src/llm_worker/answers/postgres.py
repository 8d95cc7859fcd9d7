"""Claims and answers in PostgreSQL: the table ``answer``, by the database's own clock."""

import asyncpg

from llm_worker.answers.claims import Answer, Answered, Busy, Claim
from posta.errors import Transient
from posta.postgres.pool import Database

_CLAIM = """
INSERT INTO answer (event_id, state, owner, lease_until, calls, scratch)
VALUES ($1, 'claimed', $2, clock_timestamp() + make_interval(secs => $3), 1, $4)
ON CONFLICT (event_id) DO UPDATE
   SET state = 'claimed',
       owner = excluded.owner,
       scratch = coalesce(excluded.scratch, answer.scratch),
       fence = answer.fence + 1,
       lease_until = clock_timestamp() + make_interval(secs => $3),
       calls = answer.calls + 1,
       updated_at = clock_timestamp()
 WHERE (answer.state = 'claimed'
        AND (answer.owner = excluded.owner OR answer.lease_until <= clock_timestamp()))
    OR (answer.state = 'answered'
        AND answer.scratch IS DISTINCT FROM coalesce(excluded.scratch, answer.scratch))
RETURNING fence, calls
"""
_FIND = """
SELECT state, text, model, tokens_in, tokens_out,
       extract(epoch FROM lease_until - clock_timestamp())::float8 AS lease_left_s
  FROM answer WHERE event_id = $1
"""
_ANSWER = """
SELECT text, model, tokens_in, tokens_out FROM answer WHERE event_id = $1 AND state = 'answered'
"""
_AGAIN = """
UPDATE answer SET calls = calls + 1, updated_at = clock_timestamp()
 WHERE event_id = $1 AND owner = $2 AND fence = $3 AND state = 'claimed'
RETURNING fence
"""
_RENEW = """
UPDATE answer
   SET lease_until = clock_timestamp() + make_interval(secs => $4), updated_at = clock_timestamp()
 WHERE event_id = $1 AND owner = $2 AND fence = $3 AND state = 'claimed'
RETURNING fence
"""
_COUNT = """
SELECT count(*) FILTER (WHERE lease_until > clock_timestamp())::int AS live,
       count(*) FILTER (WHERE lease_until <= clock_timestamp())::int AS free
  FROM answer WHERE state = 'claimed'
"""
_RELEASE = """
UPDATE answer SET lease_until = clock_timestamp(), updated_at = clock_timestamp()
 WHERE event_id = $1 AND owner = $2 AND fence = $3 AND state = 'claimed'
"""
_STORE = """
UPDATE answer
   SET state = 'answered', text = $4, model = $5, tokens_in = $6, tokens_out = $7,
       updated_at = clock_timestamp()
 WHERE event_id = $1 AND owner = $2 AND fence = $3
RETURNING fence
"""


class PostgresAnswers:
    """See ``llm_worker.answers.claims.Answers``; ``owner`` names this process, ``lease_s`` is in seconds."""

    def __init__(self, database: Database, *, owner: str, lease_s: float) -> None:
        self._database = database
        self._owner = owner
        self._lease_s = lease_s

    async def find(self, event_id: str) -> Answer | None:
        """See ``Answers``."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_ANSWER, event_id)
        return None if row is None else _answer(row)

    async def claim(self, event_id: str, *, scratch: str | None = None) -> Claim | Answered | Busy:
        """See ``Answers``."""
        async with self._database.connection() as connection:
            won = await connection.fetchrow(_CLAIM, event_id, self._owner, self._lease_s, scratch)
            if won is not None:
                return Claim(event_id=event_id, fence=won["fence"], calls=won["calls"])
            row = await connection.fetchrow(_FIND, event_id)
        return _found(event_id, row)

    async def again(self, claim: Claim) -> bool:
        """See ``Answers``."""
        return await self._holds(_AGAIN, claim)

    async def renew(self, claim: Claim) -> bool:
        """See ``Answers``."""
        return await self._holds(_RENEW, claim, self._lease_s)

    async def release(self, claim: Claim) -> None:
        """See ``Answers``."""
        async with self._database.connection() as connection:
            await connection.execute(_RELEASE, claim.event_id, self._owner, claim.fence)

    async def store(self, claim: Claim, answer: Answer) -> bool:
        """See ``Answers``."""
        return await self._holds(
            _STORE, claim, answer.text, answer.model, answer.tokens_in, answer.tokens_out
        )

    async def count_claims(self) -> tuple[int, int]:
        """Claims whose lease runs, and those free to be taken over. Raises ``Unavailable``."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_COUNT)
        return (row["live"], row["free"]) if row is not None else (0, 0)

    async def _holds(self, statement: str, claim: Claim, *values: object) -> bool:
        async with self._database.connection() as connection:
            fence = await connection.fetchval(statement, claim.event_id, self._owner, claim.fence, *values)
        return fence is not None


def _found(event_id: str, row: asyncpg.Record | None) -> Answered | Busy:
    if row is None:
        raise Transient(f"the row of {event_id} was deleted while it was being claimed")
    if row["state"] != "answered":
        return Busy(lease_left_s=max(0.0, row["lease_left_s"]))
    return Answered(answer=_answer(row))


def _answer(row: asyncpg.Record) -> Answer:
    return Answer(
        text=row["text"], model=row["model"], tokens_in=row["tokens_in"], tokens_out=row["tokens_out"]
    )
