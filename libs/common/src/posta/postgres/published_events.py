"""What is noted of published events: accepted, taken to be sent, cancelled; and what became of them.

    accepted ──claim──▶ claimed ──settle──▶ settled
        │   ▲              │                   │
        │   └──release─────┘ refused for now   │ waits in a digest that is not made up yet
        └──cancel──▶ cancelled ◀──cancel───────┘

A claim and a cancellation of the same event exclude each other: both are one statement on its row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from posta.domain.envelope import Event
from posta.domain.event_state import EventTraces
from posta.domain.ids import derived_id
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
    shown_with: tuple[str, ...] = ()
    """Events whose messages show it: those it was folded into, or the digests that sum it up."""
    digest_due_at: datetime | None = None
    """When the last digest that it waits in is made up."""


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
# Whoever holds the entry's row decides: the digest is made up with it, or without it.
_ENTRIES = (
    "SELECT digest_id FROM digest_entry WHERE event_id = $1 AND digest_id IS DISTINCT FROM '' FOR UPDATE"
)
_LEAVE_OUT = "UPDATE digest_entry SET digest_id = '', published = true WHERE event_id = $1"
_CANCEL_DIGESTED = """
    UPDATE published_event SET claimed_at = NULL, cancelled_at = now(), cancelled_by = $2
    WHERE event_id = $1 AND settled_at IS NOT NULL AND claimed_at IS NOT NULL
    RETURNING event_id
"""
# '.' is the character after '-': the range is all copies, <id>/to-<destination>, and what these caused.
_FIND = r"""
    SELECT p.*, d.states, d.attempts, d.updated_at AS delivery_at,
           m.states AS mailbox, m.attempts AS lent, m.error AS mailbox_error, m.updated_at AS mailbox_at,
           l.classes, l.reason, l.attempts AS dead_attempts, l.updated_at AS dead_at,
           f.folded_into, e.ended
    FROM published_event p
    CROSS JOIN LATERAL (
        SELECT array_append(array_agg(event_id), p.event_id) AS ids
        FROM published_event
        WHERE event_id LIKE '%/to-%' AND event_id !~ '/to-[^/]*/'
          AND event_id ~>=~ (p.event_id || '/to-') AND event_id ~<~ (p.event_id || '/to.')
    ) own
    CROSS JOIN LATERAL (
        SELECT array_agg(event_id) AS ids, array_agg(state) AS states,
               max(attempts) AS attempts, max(updated_at) AS updated_at
        FROM delivery WHERE event_id = ANY (own.ids)
    ) d
    CROSS JOIN LATERAL (
        SELECT array_agg(event_id) AS ids, array_agg(error_class) AS classes, max(attempts) AS attempts,
               max(updated_at) AS updated_at, (array_agg(reason ORDER BY id DESC))[1] AS reason
        FROM dead_letter WHERE event_id = ANY (own.ids) AND state IN ('open', 'discarded')
    ) l
    CROSS JOIN LATERAL (
        SELECT array_agg(event_id) AS ids, array_agg(state) AS states, max(attempts) AS attempts,
               max(error) AS error, max(updated_at) AS updated_at
        FROM pull_event WHERE event_id = ANY (own.ids)
    ) m
    CROSS JOIN LATERAL (
        SELECT array_agg(first_event ORDER BY first_event) AS folded_into
        FROM standing_event WHERE event_id = ANY (d.ids) AND first_event <> event_id
    ) f
    CROSS JOIN LATERAL (
        SELECT count(*) AS ended FROM published_event
        WHERE event_id = ANY (own.ids) AND event_id <> p.event_id
          AND event_id <> ALL (coalesce(d.ids, '{}') || coalesce(l.ids, '{}') || coalesce(m.ids, '{}'))
          AND (settled_at IS NOT NULL OR cancelled_at IS NOT NULL)
    ) e
    WHERE p.event_id = $1
"""
_DIGESTS = """
    SELECT destination, digest_id, due_at FROM digest_entry
    WHERE event_id = $1 AND digest_id IS DISTINCT FROM '' ORDER BY destination
"""
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
            row = await connection.fetchrow(_FIND, event_id)
            if row is None or row["settled_at"] is None:
                return None if row is None else _found(row)
            entries = await connection.fetch(_DIGESTS, event_id)
            ids = [
                derived_id(entry["digest_id"], entry["destination"])
                for entry in entries
                if entry["digest_id"]
            ]
            digests = [await connection.fetchrow(_FIND, one) for one in ids]
        known = [_found(digest) for digest in digests if digest is not None]
        return _summed_up(_found(row), entries, tuple(ids), known)

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
            ended_copies=row["ended"],
            folds=len(row["folded_into"] or ()),
        ),
        attempts=max(row["attempts"] or 0, row["lent"] or 0, row["dead_attempts"] or 0),
        updated_at=max(moment for moment in moments if moment is not None),
        reason=row["reason"] or row["mailbox_error"],
        cancelled_by=row["cancelled_by"],
        shown_with=tuple(row["folded_into"] or ()),
    )


def _summed_up(
    found: Found, entries: Sequence[Any], digest_ids: tuple[str, ...], digests: Sequence[Found]
) -> Found:
    """What became of an event that is shown in digests; the reasons and attempts are theirs."""
    if not entries:
        return found
    silent = len(entries) - len(digests)
    return replace(
        found,
        traces=replace(
            found.traces, digests=(*(digest.traces for digest in digests), *[EventTraces()] * silent)
        ),
        attempts=max((digest.attempts for digest in digests), default=0),
        updated_at=max([found.updated_at, *(digest.updated_at for digest in digests)]),
        reason=next((digest.reason for digest in digests if digest.reason), None),
        shown_with=digest_ids,
        digest_due_at=max(entry["due_at"] for entry in entries),
    )
