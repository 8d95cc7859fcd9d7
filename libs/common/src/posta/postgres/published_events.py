"""What is noted of published events: accepted, taken to be sent, cancelled; and what became of them.

    accepted ──claim──▶ claimed ──settle──▶ settled
        │   ▲              │                   │
        │   └──release─────┘ refused for now   │ waits in a digest that is not made up yet
        └──cancel──▶ cancelled ◀──cancel───────┘

A claim and a cancellation of the same event exclude each other: both are one statement on its row.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any

from posta.domain.envelope import Event
from posta.domain.payloads import EventPublished
from posta.postgres.event_fates import Found, Noted, find_fate
from posta.postgres.migrated import migrated, migrated_for_one
from posta.postgres.pool import Database
from posta.postgres.together import Together


class Cancelled(Enum):
    """How an attempt to cancel ended."""

    DONE = "done"
    """It will not be sent; also when it was cancelled before."""
    TOO_LATE = "too late"
    """It was sent, or is being sent."""
    UNKNOWN = "unknown"
    """No such event is noted."""


_NOTE = """
    INSERT INTO published_event
        (event_id, publisher, client_type, destination, accepted_at, deliver_at, expires_at, trace_id)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[],
                         $5::timestamptz[], $6::timestamptz[], $7::timestamptz[], $8::text[])
    ON CONFLICT (event_id) DO UPDATE SET trace_id = coalesce(published_event.trace_id, excluded.trace_id)
"""
# In one order for everybody, so that no two processes wait for each other.
_CLAIM = """
    INSERT INTO published_event
        (event_id, publisher, client_type, destination, accepted_at, deliver_at, expires_at, claimed_at)
    SELECT *, now() FROM unnest($1::text[], $2::text[], $3::text[], $4::text[],
                                $5::timestamptz[], $6::timestamptz[], $7::timestamptz[]) AS taken (event_id)
    ORDER BY event_id
    ON CONFLICT (event_id) DO UPDATE SET claimed_at = coalesce(published_event.claimed_at, now())
    WHERE published_event.cancelled_at IS NULL
    RETURNING event_id
"""
_SETTLE = """
    UPDATE published_event SET settled_at = now(), copies = done.copies
    FROM unnest($1::text[], $2::integer[]) AS done (event_id, copies)
    WHERE published_event.event_id = done.event_id
"""
_RELEASE = "UPDATE published_event SET claimed_at = NULL WHERE event_id = $1"
_CANCEL = """
    UPDATE published_event
    SET cancelled_at = coalesce(cancelled_at, now()), cancelled_by = coalesce(cancelled_by, $2)
    WHERE event_id = $1 AND claimed_at IS NULL
      AND NOT EXISTS (SELECT FROM delivery WHERE event_id = $1 AND state IN ('sending', 'sent'))
    RETURNING event_id
"""
# Whoever holds the entry's row decides: the digest is made up with it, or without it.
_ENTRIES = """
    SELECT digest_id FROM digest_entry WHERE event_id = $1 AND digest_id IS DISTINCT FROM ''
    ORDER BY destination FOR UPDATE
"""
_LEAVE_OUT = "UPDATE digest_entry SET digest_id = '', published = true WHERE event_id = $1"
_CANCEL_DIGESTED = """
    UPDATE published_event SET claimed_at = NULL, cancelled_at = now(), cancelled_by = $2
    WHERE event_id = $1 AND settled_at IS NOT NULL AND claimed_at IS NOT NULL
    RETURNING event_id
"""
_PRUNE = "DELETE FROM published_event WHERE accepted_at < now() - make_interval(secs => $1)"


class PublishedEvents:
    """The table ``published_event``. Every method raises ``Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._claims = Together(self._claim_all)
        self._settlements = Together(self._settle_all)

    async def note(self, events: Sequence[Noted]) -> None:
        """Note events as accepted; one that is known already stays as it is."""
        once = list({event.event_id: event for event in events}.values())
        columns = (*_columns(once), [event.trace_id for event in once])
        async with migrated_for_one(self._database) as connection:
            await connection.execute(_NOTE, *columns)

    async def claim(self, event: Event[EventPublished]) -> bool:
        """Whether it may be sent: from now on it cannot be cancelled. False: it was cancelled."""
        return await self._claims.ask(noted_of(event))

    async def _claim_all(self, events: Sequence[Noted]) -> Sequence[bool]:
        once = list({event.event_id: event for event in events}.values())
        async with migrated_for_one(self._database) as connection:
            rows = await connection.fetch(_CLAIM, *_columns(once))
        claimed = {row["event_id"] for row in rows}
        return [event.event_id in claimed for event in events]

    async def release(self, event_id: str) -> None:
        """Note that the attempt delivered nothing: until the next one it can be cancelled."""
        async with migrated_for_one(self._database) as connection:
            await connection.execute(_RELEASE, event_id)

    async def settle(self, event_id: str, *, copies: int) -> None:
        """Note that nothing is left to do but what was published on its behalf: so many events."""
        await self._settlements.ask((event_id, copies))

    async def _settle_all(self, settled: Sequence[tuple[str, int]]) -> Sequence[None]:
        ids, copies = zip(*settled, strict=True)
        async with migrated_for_one(self._database) as connection:
            await connection.execute(_SETTLE, list(ids), list(copies))
        return [None] * len(settled)

    async def cancel(self, event_id: str, *, by: str) -> Cancelled:
        """Keep the event from being sent, if that is still possible; ``by`` names the key that asks."""
        async with migrated(self._database) as connection:
            entries = await connection.fetch(_ENTRIES, event_id)
            if all(entry["digest_id"] is None for entry in entries):
                is_cancelled = await connection.fetchval(_CANCEL, event_id, by) or (
                    entries and await connection.fetchval(_CANCEL_DIGESTED, event_id, by)
                )
                if is_cancelled:
                    await connection.execute(_LEAVE_OUT, event_id)
                    return Cancelled.DONE
            is_known = await connection.fetchval(
                "SELECT true FROM published_event WHERE event_id = $1", event_id
            )
        return Cancelled.TOO_LATE if is_known else Cancelled.UNKNOWN

    async def find(self, event_id: str) -> Found | None:
        """What became of the event, or None when it is not noted."""
        async with migrated_for_one(self._database) as connection:
            return await find_fate(connection, event_id)

    async def prune(self, *, older_than_s: float) -> None:
        """Forget events accepted longer ago."""
        async with migrated(self._database) as connection:
            await connection.execute(_PRUNE, older_than_s)


def _columns(events: Sequence[Noted]) -> tuple[list[Any], ...]:
    """What is noted of every event but its trace, by column."""
    return (
        [event.event_id for event in events],
        [event.publisher for event in events],
        [event.client_type for event in events],
        [event.destination for event in events],
        [event.accepted_at for event in events],
        [event.deliver_at for event in events],
        [event.expires_at for event in events],
    )


def noted_of(event: Event[EventPublished], *, trace_id: str | None = None) -> Noted:
    """What is noted of ``event``."""
    return Noted(
        event_id=event.id,
        publisher=event.data.publisher,
        client_type=event.data.client_type,
        destination=event.data.destination,
        accepted_at=event.time,
        deliver_at=event.data.deliver_at,
        expires_at=event.expires_at,
        trace_id=trace_id,
    )
