"""What is noted of published events: accepted, taken to be sent, cancelled; and what became of them.

    accepted ──claim──▶ claimed ──settle──▶ settled
        │   ▲              │
        │   └──release─────┘ refused for now
        └──cancel──▶ cancelled

A claim and a cancellation of the same event exclude each other: both are one statement on its row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from posta.domain.envelope import Event
from posta.domain.event_state import EventTraces
from posta.domain.payloads import EventPublished
from posta.postgres.migrated import migrated, migrated_for_one
from posta.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What identifies a published event, and when it may be sent."""

    event_id: str
    publisher: str
    client_type: str
    destination: str
    accepted_at: datetime
    deliver_at: datetime | None = None
    expires_at: datetime | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All that is known of one event."""

    noted: Noted
    traces: EventTraces
    attempts: int
    updated_at: datetime
    """When the newest trace was left."""
    reason: str | None
    """Why it is a dead letter, or failed at its bot."""
    cancelled_by: str | None


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
_CLAIM = """
    INSERT INTO published_event
        (event_id, publisher, client_type, destination, accepted_at, deliver_at, expires_at, claimed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, now())
    ON CONFLICT (event_id) DO UPDATE SET claimed_at = coalesce(published_event.claimed_at, now())
    WHERE published_event.cancelled_at IS NULL
    RETURNING event_id
"""
_SETTLE = "UPDATE published_event SET settled_at = now(), copies = $2 WHERE event_id = $1"
_RELEASE = "UPDATE published_event SET claimed_at = NULL WHERE event_id = $1"
_CANCEL = """
    UPDATE published_event
    SET cancelled_at = coalesce(cancelled_at, now()), cancelled_by = coalesce(cancelled_by, $2)
    WHERE event_id = $1 AND claimed_at IS NULL
      AND NOT EXISTS (SELECT FROM delivery WHERE event_id = $1 AND state IN ('sending', 'sent'))
    RETURNING event_id
"""
_FIND = """
    SELECT p.*, d.states, d.attempts, d.updated_at AS delivery_at,
           m.states AS mailbox, m.attempts AS lent, m.error AS mailbox_error, m.updated_at AS mailbox_at,
           l.classes, l.reason, l.attempts AS dead_attempts, l.updated_at AS dead_at
    FROM published_event p
    CROSS JOIN LATERAL (
        SELECT array_agg(event_id) AS ids, array_agg(state) AS states,
               max(attempts) AS attempts, max(updated_at) AS updated_at
        FROM delivery
        WHERE event_id = p.event_id
           OR (event_id ~>=~ (p.event_id || '/') AND event_id ~<~ (p.event_id || '0'))
    ) d
    CROSS JOIN LATERAL (
        SELECT array_agg(error_class) AS classes, max(attempts) AS attempts,
               max(updated_at) AS updated_at, (array_agg(reason ORDER BY id DESC))[1] AS reason
        FROM dead_letter
        WHERE event_id = ANY (array_append(d.ids, p.event_id)) AND state IN ('open', 'discarded')
    ) l
    CROSS JOIN LATERAL (
        SELECT array_agg(state) AS states, max(attempts) AS attempts, max(error) AS error,
               max(updated_at) AS updated_at
        FROM pull_event
        WHERE event_id = p.event_id
           OR (event_id ~>=~ (p.event_id || '/') AND event_id ~<~ (p.event_id || '0'))
    ) m
    WHERE p.event_id = $1
"""
# '0' is the character after '/': so the range is all that begin with the id and a slash.
_PRUNE = "DELETE FROM published_event WHERE accepted_at < now() - make_interval(secs => $1)"


class PublishedEvents:
    """The table ``published_event``. Every method raises ``Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, events: Sequence[Noted]) -> None:
        """Note events as accepted; one that is known already stays as it is."""
        once = list({event.event_id: event for event in events}.values())
        columns = (
            [event.event_id for event in once],
            [event.publisher for event in once],
            [event.client_type for event in once],
            [event.destination for event in once],
            [event.accepted_at for event in once],
            [event.deliver_at for event in once],
            [event.expires_at for event in once],
            [event.trace_id for event in once],
        )
        async with migrated_for_one(self._database) as connection:
            await connection.execute(_NOTE, *columns)

    async def claim(self, event: Event[EventPublished]) -> bool:
        """Whether it may be sent: from now on it cannot be cancelled. False: it was cancelled."""
        noted = noted_of(event)
        async with migrated_for_one(self._database) as connection:
            claimed = await connection.fetchval(
                _CLAIM,
                noted.event_id,
                noted.publisher,
                noted.client_type,
                noted.destination,
                noted.accepted_at,
                noted.deliver_at,
                noted.expires_at,
            )
        return claimed is not None

    async def release(self, event_id: str) -> None:
        """Note that the attempt delivered nothing: until the next one it can be cancelled."""
        async with migrated_for_one(self._database) as connection:
            await connection.execute(_RELEASE, event_id)

    async def settle(self, event_id: str, *, copies: int) -> None:
        """Note that nothing is left to do but what was published on its behalf: so many events."""
        async with migrated_for_one(self._database) as connection:
            await connection.execute(_SETTLE, event_id, copies)

    async def cancel(self, event_id: str, *, by: str) -> Cancelled:
        """Keep the event from being sent, if that is still possible; ``by`` names the key that asks."""
        async with migrated(self._database) as connection:
            if await connection.fetchval(_CANCEL, event_id, by) is not None:
                return Cancelled.DONE
            is_known = await connection.fetchval(
                "SELECT true FROM published_event WHERE event_id = $1", event_id
            )
        return Cancelled.TOO_LATE if is_known else Cancelled.UNKNOWN

    async def find(self, event_id: str) -> Found | None:
        """What became of the event, or None when it is not noted."""
        async with migrated_for_one(self._database) as connection:
            row = await connection.fetchrow(_FIND, event_id)
        return None if row is None else _found(row)

    async def prune(self, *, older_than_s: float) -> None:
        """Forget events accepted longer ago."""
        async with migrated(self._database) as connection:
            await connection.execute(_PRUNE, older_than_s)


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


def _found(row: Any) -> Found:
    columns = (
        "accepted_at",
        "claimed_at",
        "settled_at",
        "cancelled_at",
        "delivery_at",
        "mailbox_at",
        "dead_at",
    )
    moments = (row[column] for column in columns)
    return Found(
        noted=Noted(
            event_id=row["event_id"],
            publisher=row["publisher"],
            client_type=row["client_type"],
            destination=row["destination"],
            accepted_at=row["accepted_at"],
            deliver_at=row["deliver_at"],
            expires_at=row["expires_at"],
            trace_id=row["trace_id"],
        ),
        traces=EventTraces(
            deliver_at=row["deliver_at"],
            is_claimed=row["claimed_at"] is not None,
            is_cancelled=row["cancelled_at"] is not None,
            deliveries=tuple(row["states"] or ()),
            dead_letters=tuple(text or "" for text in row["classes"] or ()),
            mailboxes=tuple(row["mailbox"] or ()),
            is_settled=row["settled_at"] is not None,
            copies=row["copies"],
        ),
        attempts=max(row["attempts"] or 0, row["lent"] or 0, row["dead_attempts"] or 0),
        updated_at=max(moment for moment in moments if moment is not None),
        reason=row["reason"] or row["mailbox_error"],
        cancelled_by=row["cancelled_by"],
    )
