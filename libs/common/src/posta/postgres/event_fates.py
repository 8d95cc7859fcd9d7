"""What became of a published event: told from its row and the traces that others left of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from posta.domain.event_state import EventTraces
from posta.domain.ids import derived_id
from posta.postgres.pool import Connection


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


async def find_fate(connection: Connection, event_id: str) -> Found | None:
    """What became of the event, or None when it is not noted."""
    row = await connection.fetchrow(_FIND, event_id)
    if row is None or row["settled_at"] is None:
        return None if row is None else _found(row)
    entries = await connection.fetch(_DIGESTS, event_id)
    ids = [derived_id(entry["digest_id"], entry["destination"]) for entry in entries if entry["digest_id"]]
    digests = [await connection.fetchrow(_FIND, one) for one in ids]
    known = [_found(digest) for digest in digests if digest is not None]
    return _summed_up(_found(row), entries, tuple(ids), known)


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
