"""Digests: events of low importance are kept until their time and then shown as one message.

    add (once per event) ─▶ due ─▶ named: the digest's id is decided ─▶ published ─▶ forgotten
             └──cancelled──▶ left out: named '' and as good as published

What a digest holds is decided in one transaction and its event's id follows from it, so a process
that dies between deciding and publishing is replaced by one that publishes the very same event.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from notifier.rendering.embed import humanised
from notifier.rendering.neutral import one_line
from notifier.routing.rules import Digest, severity_of
from posta.background import regularly
from posta.domain.envelope import Event, encode
from posta.domain.ids import derived_id
from posta.domain.payloads import EventPublished
from posta.kafka.producer import Producer
from posta.postgres.pool import Database
from posta.topics import EVENTS_PUBLISHED

TYPE = "posta.digest"
SOURCE = "/notifier"
EVERY_S = 1.0
LINES_MOST = 20
_PUBLISH_TIMEOUT_S = 10.0
_TITLE_CHARS = 150

_ADD = """
    INSERT INTO digest_entry
        (destination, event_id, rule, title, severity, source, publisher, at, due_at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8,
        coalesce((SELECT min(due_at) FROM digest_entry
                  WHERE destination = $1 AND rule = $3 AND digest_id IS NULL), $9)
    ON CONFLICT (destination, event_id) DO NOTHING
"""
_NAME = """
    WITH due AS (
        SELECT destination, rule, (array_agg(event_id ORDER BY at, event_id))[1] AS first
        FROM digest_entry WHERE digest_id IS NULL
        GROUP BY destination, rule HAVING min(due_at) <= $1
    ), held AS MATERIALIZED (
        SELECT entry.destination, entry.event_id, due.first
        FROM digest_entry entry JOIN due USING (destination, rule)
        WHERE entry.digest_id IS NULL ORDER BY entry.destination, entry.event_id FOR UPDATE OF entry
    )
    UPDATE digest_entry SET digest_id = held.first || '/digest'
    FROM held
    WHERE digest_entry.destination = held.destination AND digest_entry.event_id = held.event_id
"""
"""Rows are locked in the order in which a cancellation locks them, or each could wait for the other."""
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('posta:digests', 0))"
_NAMED = """
    SELECT * FROM digest_entry WHERE digest_id IS NOT NULL AND NOT published ORDER BY at, event_id
"""
_PUBLISHED = "UPDATE digest_entry SET published = true WHERE destination = $1 AND digest_id = $2"
_PRUNE = "DELETE FROM digest_entry WHERE published AND at < now() - make_interval(secs => $1)"


class Digests:
    """The table ``digest_entry``, and what publishes what is due of it."""

    def __init__(self, database: Database, producer: Producer, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._producer = producer
        self._clock = clock

    async def add(self, event: Event[EventPublished], digest: Digest) -> None:
        """Keep the event for the next digest of each destination. Raises ``Unavailable``."""
        data = event.data
        title = data.data.get("title") or data.data.get("message") or humanised(data.client_type)
        due_at = datetime.fromtimestamp(self._clock(), UTC) + timedelta(seconds=digest.every_s)
        async with self._database.transaction() as connection:
            for destination in digest.destinations:
                await connection.execute(
                    _ADD,
                    destination,
                    event.id,
                    digest.rule,
                    one_line(str(title))[:_TITLE_CHARS],
                    severity_of(data),
                    data.client_source[:_TITLE_CHARS],
                    data.publisher,
                    event.time,
                    due_at,
                )

    async def publish_due(self) -> int:
        """Publish every digest that is due; returns how many. Raises a ``Failure``."""
        async with self._database.transaction() as connection:
            if not await connection.fetchval(_LOCK):
                return 0
            await connection.execute(_NAME, datetime.fromtimestamp(self._clock(), UTC))
            rows = await connection.fetch(_NAMED)
        groups: dict[tuple[str, str], list[Any]] = {}
        for row in rows:
            groups.setdefault((row["destination"], row["digest_id"]), []).append(row)
        for (destination, digest_id), entries in groups.items():
            event = digest_event(destination, digest_id, entries)
            await self._producer.publish(EVENTS_PUBLISHED.name, [encode(event)], timeout_s=_PUBLISH_TIMEOUT_S)
            async with self._database.connection() as connection:
                await connection.execute(_PUBLISHED, destination, digest_id)
        return len(groups)

    async def prune(self, *, older_than_s: float) -> None:
        """Forget the entries of published digests whose events are older."""
        async with self._database.connection() as connection:
            await connection.execute(_PRUNE, older_than_s)

    def publishing(self) -> AbstractAsyncContextManager[None]:
        """Publish what is due while the block runs."""
        return regularly(self.publish_due, name="publish digests", every_s=EVERY_S)


def digest_event(destination: str, digest_id: str, entries: Sequence[Any]) -> Event[EventPublished]:
    """The event that sums ``entries`` (rows, oldest first) up; equal entries make an equal event."""
    shown = [
        {"title": row["title"], "severity": row["severity"], "source": row["source"]}
        for row in entries[:LINES_MOST]
    ]
    newest = entries[-1]["at"]
    return Event(
        id=derived_id(digest_id, destination),
        source=SOURCE,
        time=newest,
        key=destination,
        data=EventPublished(
            destination=destination,
            publisher="posta",
            client_id=digest_id,
            client_type=TYPE,
            client_source=SOURCE,
            occurred_at=newest.isoformat(),
            data={
                "count": len(entries),
                "more": max(0, len(entries) - LINES_MOST),
                "since": entries[0]["at"].isoformat(),
                "entries": shown,
                "severity": "info",
            },
            routed=True,
        ),
    )
