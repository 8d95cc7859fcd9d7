"""The delivery ledger: what was begun, and what of that is known to have been delivered.

    (none) ──begin──▶ sending ──sent────▶ sent       every later begin: skip
                         │  ▲
                  refused│  │begin
                         ▼  │
                        failed                       nothing was delivered: a fresh start

``sending`` found by ``begin`` means that a call was under way when its process ended or its answer
was lost: whether it was carried out is not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

from posta.postgres.pool import Connection, Database
from posta.postgres.together import Together

Medium = Literal["discord", "webhook", "email"]


class Begun(Enum):
    """What ``begin`` found."""

    FRESH = "fresh"
    """Nothing of it was delivered before."""
    UNKNOWN = "unknown"
    """An earlier call may have delivered it."""
    SENT = "sent"
    """It was delivered: nothing is left to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One thing to deliver."""

    event_id: str
    medium: Medium
    message_id: str | None = None
    """A mail's Message-ID, known before it is sent; Discord tells its own only afterwards."""
    body_sha256: str
    """Of what is sent, so that an operator can compare."""


class Ledger(Protocol):
    """What is kept about deliveries. Every method raises ``Unavailable`` when it cannot be kept."""

    async def begin(self, delivery: Delivery) -> Begun:
        """Note that the call is about to be made, unless it was ``SENT``, and say what was known."""
        ...

    async def sent(self, event_id: str, *, message_id: str | None) -> None:
        """Note that it was delivered; ``message_id`` None keeps the one that is known."""
        ...

    async def refused(self, event_id: str) -> None:
        """Note that nothing was delivered; no effect on one that was."""
        ...


# In one order for everybody, so that no two processes wait for each other.
_BEGIN_NEW = """
    INSERT INTO delivery (event_id, medium, state, message_id, body_sha256)
    SELECT event_id, medium, 'sending', message_id, body_sha256
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
         AS begun (event_id, medium, message_id, body_sha256)
    ORDER BY event_id
    ON CONFLICT (event_id) DO NOTHING
    RETURNING event_id
"""
_KNOWN_STATE = "SELECT state FROM delivery WHERE event_id = $1 FOR UPDATE"
_BEGIN_AGAIN = """
    UPDATE delivery
    SET state = 'sending', attempts = attempts + 1, message_id = coalesce(message_id, $2),
        body_sha256 = $3, updated_at = now()
    WHERE event_id = $1
"""
_SENT = """
    UPDATE delivery
    SET state = 'sent', message_id = coalesce(told.message_id, delivery.message_id), updated_at = now()
    FROM unnest($1::text[], $2::text[]) AS told (event_id, message_id)
    WHERE delivery.event_id = told.event_id
"""
_REFUSED = """
    UPDATE delivery SET state = 'failed', updated_at = now()
    WHERE event_id = $1 AND state = 'sending'
"""
_KNOWN_IDS = "SELECT message_id FROM delivery WHERE message_id = ANY($1::text[])"
_PRUNE = """
    DELETE FROM delivery WHERE updated_at < now() - make_interval(secs => $1)
"""


class PostgresLedger:
    """The ledger in the table ``delivery``; what many deliveries note at one time is one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._begins = Together(self._begin_new)
        self._ends = Together(self._note_sent)

    async def begin(self, delivery: Delivery) -> Begun:
        """See ``Ledger``."""
        if await self._begins.ask(delivery):
            return Begun.FRESH
        async with self._database.transaction() as connection:
            return await self._begin_again(connection, delivery)

    async def _begin_new(self, deliveries: Sequence[Delivery]) -> Sequence[bool]:
        """Note those that are new; of several of one event that is the first."""
        columns = (
            [one.event_id for one in deliveries],
            [one.medium for one in deliveries],
            [one.message_id for one in deliveries],
            [one.body_sha256 for one in deliveries],
        )
        async with self._database.connection() as connection:
            rows = await connection.fetch(_BEGIN_NEW, *columns)
        new = {row["event_id"] for row in rows}
        are_new = []
        for one in deliveries:
            are_new.append(one.event_id in new)
            new.discard(one.event_id)
        return are_new

    async def _begin_again(self, connection: Connection, delivery: Delivery) -> Begun:
        state = await connection.fetchval(_KNOWN_STATE, delivery.event_id)
        if state == "sent":
            return Begun.SENT
        await connection.execute(_BEGIN_AGAIN, delivery.event_id, delivery.message_id, delivery.body_sha256)
        return Begun.UNKNOWN if state == "sending" else Begun.FRESH

    async def sent(self, event_id: str, *, message_id: str | None) -> None:
        """See ``Ledger``."""
        await self._ends.ask((event_id, message_id))

    async def _note_sent(self, told: Sequence[tuple[str, str | None]]) -> Sequence[None]:
        ids, message_ids = zip(*told, strict=True)
        async with self._database.connection() as connection:
            await connection.execute(_SENT, list(ids), list(message_ids))
        return [None] * len(told)

    async def refused(self, event_id: str) -> None:
        """See ``Ledger``."""
        async with self._database.connection() as connection:
            await connection.execute(_REFUSED, event_id)

    async def known(self, message_ids: Sequence[str]) -> frozenset[str]:
        """Those of ``message_ids`` that a delivery has noted as its own."""
        if not message_ids:
            return frozenset()
        async with self._database.connection() as connection:
            rows = await connection.fetch(_KNOWN_IDS, list(message_ids))
        return frozenset(row["message_id"] for row in rows)

    async def prune(self, *, older_than_s: float) -> None:
        """Forget deliveries untouched for so long; Kafka must have forgotten their events before."""
        async with self._database.connection() as connection:
            await connection.execute(_PRUNE, older_than_s)
