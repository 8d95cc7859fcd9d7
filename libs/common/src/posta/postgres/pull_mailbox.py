"""The mailbox for bots that poll: each event is lent, and is done when its borrower says so.

    pending ──lend──▶ leased ──processed──▶ processed
       ▲                │ ├──failed, or the lease ran out, with attempts left──▶ pending
       │                │ └──the same for the third time──▶ failed
       └──────────────retry──────────────────────────────────┘

A lease that ran out is taken back when the next one asks. An event can be lent twice when a bot dies
between showing it and saying so: it is handed out at least once, never silently dropped.
"""

import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from posta.domain.envelope import Event
from posta.domain.payloads import EventPublished
from posta.postgres.migrated import migrated
from posta.postgres.pool import Database

MOST_ATTEMPTS = 3
"""Times an event is lent before it counts as failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """One event in a bot's hands until ``leased_until``."""

    event_id: str
    destination: str
    publisher: str
    client_type: str
    source: str
    subject: str | None
    occurred_at: str
    data: dict[str, Any]
    attempts: int
    lease: str
    leased_until: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which events of the mailbox somebody may see; empty: all."""

    destinations: Sequence[str] = ()
    """Patterns; see ``posta.auth``."""
    sources: Sequence[str] = ()
    """Patterns."""


class Returned(Enum):
    """How handing an event back ended."""

    DONE = "done"
    LOST = "lost"
    """The lease ran out and another has it, or had it."""
    UNKNOWN = "unknown"
    """There is no such event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxStats:
    """How many events are in which state."""

    by_state: dict[str, int]
    by_source: dict[str, int]
    """Those that wait or are lent."""
    oldest_waiting_s: float


_PUT = """
    INSERT INTO pull_event
        (event_id, destination, publisher, client_type, source, subject, occurred_at, data)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (event_id) DO NOTHING
"""
_WITHIN = """
    (cardinality($1::text[]) = 0 OR destination LIKE ANY ($1))
    AND (cardinality($2::text[]) = 0 OR source LIKE ANY ($2))
"""
_TAKE_BACK = """
    UPDATE pull_event
    SET state = 'failed', error = coalesce(error, 'lent three times, and never reported'), updated_at = now()
    WHERE state = 'leased' AND leased_until < now() AND attempts >= $1
"""
_LEND = f"""
    WITH due AS (
        SELECT id FROM pull_event
        WHERE (state = 'pending' OR (state = 'leased' AND leased_until < now()))
          AND attempts < $3 AND {_WITHIN} AND (cardinality($4::text[]) = 0 OR source = ANY ($4))
        ORDER BY id LIMIT $5
        FOR UPDATE SKIP LOCKED
    )
    UPDATE pull_event AS p
    SET state = 'leased', attempts = attempts + 1, lease = $6, consumer = $7,
        leased_until = now() + make_interval(secs => $8), updated_at = now()
    FROM due WHERE p.id = due.id
    RETURNING p.*
"""  # noqa: S608 - constants
_ONE = f"SELECT state, lease, attempts FROM pull_event WHERE event_id = $3 AND {_WITHIN} FOR UPDATE"  # noqa: S608
_END = """
    UPDATE pull_event SET state = $2, error = $3, lease = NULL, leased_until = NULL, updated_at = now()
    WHERE event_id = $1
"""
_RETRY = f"""
    UPDATE pull_event SET state = 'pending', attempts = 0, error = NULL, lease = NULL, updated_at = now()
    WHERE event_id = $3 AND state = 'failed' AND {_WITHIN}
    RETURNING event_id
"""  # noqa: S608 - constants
_STATS = f"""
    SELECT state, source, count(*) AS events,
           extract(epoch FROM now() - min(created_at) FILTER (WHERE state = 'pending')) AS oldest_s
    FROM pull_event WHERE {_WITHIN} GROUP BY state, source
"""  # noqa: S608 - constants
_CLEANUP = f"""
    WITH gone AS (
        DELETE FROM pull_event
        WHERE state IN ('processed', 'failed') AND {_WITHIN}
          AND updated_at < now() - make_interval(secs => $3)
        RETURNING 1
    ) SELECT count(*) FROM gone
"""  # noqa: S608 - constants
EVERYTHING = Reach()


class PullMailbox:
    """The table ``pull_event``. Every method raises ``Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ping(self) -> None:
        """Return when events can be fetched."""
        async with migrated(self._database) as connection:
            await connection.fetchval("SELECT 1 FROM pull_event LIMIT 1")

    async def put(self, event: Event[EventPublished]) -> None:
        """Put an event in, once."""
        data = event.data
        async with migrated(self._database) as connection:
            await connection.execute(
                _PUT,
                event.id,
                data.destination,
                data.publisher,
                data.client_type,
                data.client_source,
                data.subject,
                data.occurred_at,
                json.dumps(_storable(data.data)),
            )

    async def lend(
        self,
        *,
        consumer: str,
        reach: Reach = EVERYTHING,
        sources: Collection[str] = (),
        limit: int,
        lease_s: float,
        max_attempts: int = MOST_ATTEMPTS,
    ) -> list[Lent]:
        """Lend the oldest events that nobody has, of these sources (all, when empty), oldest first."""
        async with migrated(self._database) as connection:
            await connection.execute(_TAKE_BACK, MOST_ATTEMPTS)
            rows = await connection.fetch(
                _LEND,
                *_patterns(reach),
                min(max_attempts, MOST_ATTEMPTS),
                list(sources),
                limit,
                secrets.token_hex(8),
                consumer,
                lease_s,
            )
        return [_lent(row) for row in sorted(rows, key=lambda row: row["id"])]

    async def processed(self, event_id: str, *, lease: str | None, reach: Reach = EVERYTHING) -> Returned:
        """The event was shown. Without a ``lease`` whoever has it is believed."""
        return await self._end(event_id, lease, reach, error=None)

    async def failed(
        self, event_id: str, *, lease: str | None, error: str, reach: Reach = EVERYTHING
    ) -> Returned:
        """The event could not be shown: lend it again, or give it up at the third time."""
        return await self._end(event_id, lease, reach, error=error)

    async def retry(self, event_id: str, *, reach: Reach = EVERYTHING) -> bool:
        """Whether the event was a failed one; it is then lent anew, up to three times."""
        async with migrated(self._database) as connection:
            return await connection.fetchval(_RETRY, *_patterns(reach), event_id) is not None

    async def stats(self, *, reach: Reach = EVERYTHING) -> MailboxStats:
        """How the mailbox is."""
        async with migrated(self._database) as connection:
            rows = await connection.fetch(_STATS, *_patterns(reach))
        by_state = dict.fromkeys(("pending", "leased", "processed", "failed"), 0)
        by_source: dict[str, int] = {}
        for row in rows:
            by_state[row["state"]] += row["events"]
            if row["state"] in ("pending", "leased"):
                by_source[row["source"]] = by_source.get(row["source"], 0) + row["events"]
        oldest_s = max((float(row["oldest_s"] or 0) for row in rows), default=0.0)
        return MailboxStats(by_state=by_state, by_source=by_source, oldest_waiting_s=oldest_s)

    async def cleanup(self, *, older_than_s: float, reach: Reach = EVERYTHING) -> int:
        """Forget what was processed or given up longer ago; returns how many."""
        async with migrated(self._database) as connection:
            return int(await connection.fetchval(_CLEANUP, *_patterns(reach), older_than_s))

    async def _end(self, event_id: str, lease: str | None, reach: Reach, *, error: str | None) -> Returned:
        async with migrated(self._database) as connection:
            row = await connection.fetchrow(_ONE, *_patterns(reach), event_id)
            if row is None:
                return Returned.UNKNOWN
            if row["state"] == "processed":
                return Returned.DONE if error is None else Returned.LOST
            if lease is not None and lease != row["lease"]:
                return Returned.LOST
            is_last = row["attempts"] >= MOST_ATTEMPTS
            state = "processed" if error is None else "failed" if is_last else "pending"
            await connection.execute(_END, event_id, state, error)
        return Returned.DONE


def _storable(value: Any) -> Any:
    """``value`` without U+0000, which PostgreSQL's JSON has not."""
    match value:
        case str():
            return value.replace("\x00", "\ufffd")
        case dict():
            return {_storable(name): _storable(inner) for name, inner in value.items()}
        case list():
            return [_storable(inner) for inner in value]
        case _:
            return value


def _patterns(reach: Reach) -> tuple[list[str], list[str]]:
    return [_like(text) for text in reach.destinations], [_like(text) for text in reach.sources]


def _like(pattern: str) -> str:
    """The pattern as one of SQL's LIKE."""
    is_open = pattern.endswith("*")
    text = pattern[:-1] if is_open else pattern
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return text + ("%" if is_open else "")


def _lent(row: Any) -> Lent:
    return Lent(
        event_id=row["event_id"],
        destination=row["destination"],
        publisher=row["publisher"],
        client_type=row["client_type"],
        source=row["source"],
        subject=row["subject"],
        occurred_at=row["occurred_at"],
        data=json.loads(row["data"]),
        attempts=row["attempts"],
        lease=row["lease"],
        leased_until=row["leased_until"],
        created_at=row["created_at"],
    )
