"""Where answers to ``Idempotency-Key`` are kept: in PostgreSQL for all processes, or in memory for one."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ingress.events.idempotency import HELD_S, KEPT_S, Answer, Begun, Refused, Request, judge
from posta.postgres.migrated import migrated
from posta.postgres.pool import Database

_MEMORY_MOST = 10_000


@dataclass(frozen=True, slots=True)
class _Row:
    request: Request
    at: float
    answer: Answer | None = None


class MemoryStore:
    """The answers of one process; bounded, the oldest are forgotten first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rows: OrderedDict[tuple[str, str], _Row] = OrderedDict()

    async def begin(self, request: Request) -> Begun:
        """See ``Store``."""
        now = self._clock()
        row = self._rows.get((request.publisher, request.key))
        if row is not None and now - row.at < KEPT_S:
            is_same = row.request.sha256 == request.sha256
            if not is_same or row.answer is not None or now - row.at < HELD_S:
                return judge(is_same=is_same, answer=row.answer)
        self._rows[request.publisher, request.key] = _Row(request, now)
        self._rows.move_to_end((request.publisher, request.key))
        while len(self._rows) > _MEMORY_MOST:
            self._rows.popitem(last=False)
        return None

    async def answered(self, request: Request, answer: Answer) -> None:
        """See ``Store``."""
        row = self._rows.get((request.publisher, request.key))
        if row is not None and row.request.owner == request.owner:
            self._rows[request.publisher, request.key] = _Row(request, row.at, answer)

    async def released(self, request: Request) -> None:
        """See ``Store``."""
        row = self._rows.get((request.publisher, request.key))
        if row is not None and row.request.owner == request.owner:
            del self._rows[request.publisher, request.key]


_BEGIN = """
    INSERT INTO idempotency_key AS known (publisher, key, request_sha256, owner, held_until)
    VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))
    ON CONFLICT (publisher, key) DO UPDATE
    SET request_sha256 = excluded.request_sha256, owner = excluded.owner, held_until = excluded.held_until,
        status = NULL, answer = NULL, created_at = now()
    WHERE known.created_at < now() - make_interval(secs => $6)
       OR (known.status IS NULL AND known.held_until < now()
           AND known.request_sha256 = excluded.request_sha256)
    RETURNING true
"""
_KNOWN = "SELECT request_sha256, status, answer FROM idempotency_key WHERE publisher = $1 AND key = $2"
_ANSWERED = """
    UPDATE idempotency_key SET status = $4, answer = $5
    WHERE publisher = $1 AND key = $2 AND owner = $3
"""
_RELEASED = "DELETE FROM idempotency_key WHERE publisher = $1 AND key = $2 AND owner = $3"
_PRUNE = "DELETE FROM idempotency_key WHERE created_at < now() - make_interval(secs => $1)"


class PostgresStore:
    """The answers of all processes, in the table ``idempotency_key``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, request: Request) -> Begun:
        """See ``Store``."""
        async with migrated(self._database) as connection:
            is_first = await connection.fetchval(
                _BEGIN, request.publisher, request.key, request.sha256, request.owner, HELD_S, KEPT_S
            )
            if is_first:
                return None
            row = await connection.fetchrow(_KNOWN, request.publisher, request.key)
        if row is None:  # released between the two statements
            return Refused.IN_FLIGHT
        answer = None if row["status"] is None else Answer(status=row["status"], text=row["answer"])
        return judge(is_same=bytes(row["request_sha256"]) == request.sha256, answer=answer)

    async def answered(self, request: Request, answer: Answer) -> None:
        """See ``Store``."""
        async with migrated(self._database) as connection:
            await connection.execute(
                _ANSWERED, request.publisher, request.key, request.owner, answer.status, answer.text
            )

    async def released(self, request: Request) -> None:
        """See ``Store``."""
        async with migrated(self._database) as connection:
            await connection.execute(_RELEASED, request.publisher, request.key, request.owner)

    async def prune(self) -> None:
        """Forget the answers that are older than 24 hours."""
        async with migrated(self._database) as connection:
            await connection.execute(_PRUNE, KEPT_S)
