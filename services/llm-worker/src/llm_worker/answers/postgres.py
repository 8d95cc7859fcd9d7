"""Claims and answers in PostgreSQL: the table ``answer``, by the database's own clock."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import asyncpg

from llm_worker.answers.claims import Answer, Answered, Busy, Claim, Notes, OverBudget, Stored
from llm_worker.cache.sql import shared
from llm_worker.conversation.sql import IS_HELD, held, remember_values, remembered
from llm_worker.spending.budget import BudgetUsedUp
from llm_worker.spending.call import Call, Ended
from llm_worker.spending.sql import SETTLE, reserve, reserve_values, settle, settle_values
from posta.errors import Transient
from posta.postgres.pool import Connection, Database

_CLAIM_ROW = """
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
_CLAIM = f"""
WITH claimed AS ({_CLAIM_ROW}), {reserve(5, source="claimed")}
SELECT claimed.fence, claimed.calls, budget.warns, budget.day IS NOT NULL AS allowed
  FROM claimed LEFT JOIN budget ON true
"""  # noqa: S608 - constants, put together
_REFUSE = """
WITH uncounted AS (
    UPDATE answer SET calls = calls - 1 WHERE event_id = $1 AND owner = $2 AND fence = $3
)
INSERT INTO llm_tenant_day AS b (day, tenant, currency, refused, stopped_at)
VALUES ((statement_timestamp() AT TIME ZONE $4::text)::date, $5, $6, 1, statement_timestamp())
ON CONFLICT (day, tenant) DO UPDATE
   SET refused = b.refused + 1, stopped_at = coalesce(b.stopped_at, excluded.stopped_at)
RETURNING refused
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
_AGAIN_RESERVED = f"""
WITH held AS ({_AGAIN}), {reserve(4, source="held")}
SELECT held.fence, budget.day IS NOT NULL AS allowed, budget.warns FROM held LEFT JOIN budget ON true
"""  # noqa: S608 - constants, put together
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
 WHERE event_id = $1 AND owner = $2 AND fence = $3 {after}
RETURNING fence
"""
_STORE_VALUES, _SETTLE_VALUES, _TURN_VALUES = 7, 8, 7
_RELEASE_SETTLED = f"""
WITH released AS ({_RELEASE} RETURNING fence), {settle(4)} SELECT count(*) FROM released
"""  # noqa: S608 - constants, put together


def _storing(*, settles: bool, notes: bool) -> str:
    """The statement that stores an answer, with what calls came to and what is noted if they come with it."""
    noting = _STORE_VALUES + 1 + (_SETTLE_VALUES if settles else 0)
    parts = [
        held(noting) if notes else "",
        f"stored AS ({_STORE.format(after=f'AND {IS_HELD}' if notes else '')})",
        settle(_STORE_VALUES + 1, is_kept="EXISTS (SELECT FROM stored)") if settles else "",
        remembered(noting, source="stored") if notes else "",
        shared(event=1, text=4, model=5, ttl=noting + _TURN_VALUES, source="stored") if notes else "",
    ]
    open_tokens = "(SELECT open_tokens FROM remembered)" if notes else "NULL::int"
    return f"WITH {', '.join(filter(None, parts))} SELECT {open_tokens} AS open_tokens FROM stored"  # noqa: S608 - constants


_STORING = {
    (settles, notes): _storing(settles=settles, notes=notes)
    for settles in (True, False)
    for notes in (True, False)
}


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

    async def claim(
        self, event_id: str, *, scratch: str | None = None, call: Call | None = None
    ) -> Claim | Answered | Busy | OverBudget:
        """See ``Answers``."""
        claiming = (event_id, self._owner, self._lease_s, scratch)
        async with self._database.connection() as connection:
            if call is None:
                won = await connection.fetchrow(_CLAIM_ROW, *claiming)
            else:
                won = await connection.fetchrow(_CLAIM, *claiming, *reserve_values(call))
            if won is None:
                return _found(event_id, await connection.fetchrow(_FIND, event_id))
            claim = Claim(event_id=event_id, fence=won["fence"], calls=won["calls"])
            if call is None or won["allowed"]:
                return claim if call is None else replace(claim, warns=won["warns"])
            return OverBudget(claim=claim, first=await self._refuse(connection, claim, call))

    async def again(self, claim: Claim, *, call: Call | None = None, ended: Sequence[Ended] = ()) -> bool:
        """See ``Answers``."""
        if call is None:
            return await self._holds(_AGAIN, claim)
        async with self._database.connection() as connection:
            await _settle(connection, ended)
            held = await connection.fetchrow(
                _AGAIN_RESERVED, claim.event_id, self._owner, claim.fence, *reserve_values(call)
            )
            if held is not None and not held["allowed"]:
                await self._refuse(connection, claim, call)
                raise BudgetUsedUp(call.tenant)
        return held is not None

    async def renew(self, claim: Claim) -> bool:
        """See ``Answers``."""
        return await self._holds(_RENEW, claim, self._lease_s)

    async def release(self, claim: Claim, *, ended: Sequence[Ended] = ()) -> None:
        """See ``Answers``."""
        held = (claim.event_id, self._owner, claim.fence)
        async with self._database.connection() as connection:
            if ended:
                await _settle(connection, ended[:-1])
                await connection.execute(_RELEASE_SETTLED, *held, *settle_values(ended[-1], used=None))
            else:
                await connection.execute(_RELEASE, *held)

    async def store(
        self,
        claim: Claim,
        answer: Answer,
        *,
        ended: Sequence[Ended] = (),
        used: UUID | None = None,
        notes: Notes | None = None,
    ) -> Stored | None:
        """See ``Answers``."""
        statement = _STORING[bool(ended), notes is not None]
        values: tuple[object, ...] = (answer.text, answer.model, answer.tokens_in, answer.tokens_out)
        by_use = sorted(ended, key=lambda one: one.call.id == used)
        if by_use:
            values += settle_values(by_use[-1], used=used)
        if notes is not None:
            values += (*remember_values(notes.turn), notes.shared_for_s)
        async with self._database.connection() as connection:
            await _settle(connection, by_use[:-1])
            row = await connection.fetchrow(statement, claim.event_id, self._owner, claim.fence, *values)
        return None if row is None else Stored(open_tokens=row["open_tokens"])

    async def _refuse(self, connection: Connection, claim: Claim, call: Call) -> bool:
        """Note that the tenant's budget stopped a call; whether it is the first today."""
        refused = await connection.fetchval(
            _REFUSE, claim.event_id, self._owner, claim.fence,
            call.limit.time_zone, call.tenant, call.price.currency,
        )  # fmt: skip
        return bool(refused == 1)

    async def count_claims(self) -> tuple[int, int]:
        """Claims whose lease runs, and those free to be taken over. Raises ``Unavailable``."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_COUNT)
        return (row["live"], row["free"]) if row is not None else (0, 0)

    async def _holds(self, statement: str, claim: Claim, *values: object) -> bool:
        async with self._database.connection() as connection:
            fence = await connection.fetchval(statement, claim.event_id, self._owner, claim.fence, *values)
        return fence is not None


async def _settle(connection: Connection, ended: Sequence[Ended]) -> None:
    """Enter apart what calls came to that nobody uses: one statement cannot change a tenant's row twice."""
    if ended:
        await connection.executemany(SETTLE, [settle_values(one, used=None) for one in ended])


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
