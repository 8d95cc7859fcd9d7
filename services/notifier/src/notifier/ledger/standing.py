"""Messages that stand: later events of the same key edit them instead of adding to the channel.

A ``dedupe_key`` counts: a repeat within the window makes one message say "(2 times)". A ``thread_key``
replaces: "backup running" becomes "backup done", and an event that is older than what is shown
changes nothing. The first event of a key posts; until its message is known, the others wait.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Literal, Protocol

from posta.domain.envelope import Event
from posta.domain.payloads import EventPublished
from posta.postgres.pool import Connection, Database

Kind = Literal["dedupe", "thread"]


class Part(Enum):
    """What an event has to do with the message of its key."""

    FIRST = "first"
    """It makes the message."""
    EDITS = "edits"
    """It edits the message."""
    WAITS = "waits"
    """Its message is still being made by another event."""
    SUPERSEDED = "superseded"
    """A later event is shown already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The message of a key, as it stands for one event."""

    part: Part
    message_id: str | None = None
    repeats: int = 1


def kind_of(event: EventPublished) -> Kind | None:
    """How the event's message stands; None: it is a message of its own. A thread goes before counting."""
    if event.thread_key:
        return "thread"
    return "dedupe" if event.dedupe_key else None


class StandingMessages(Protocol):
    """Every method raises ``Unavailable`` when the store is away."""

    async def join(self, event: Event[EventPublished], *, window_s: float) -> Standing:
        """The event's part in the message of its key; asking again gives the same, and counts once."""
        ...

    async def posted(self, event: Event[EventPublished]) -> None:
        """The message of the event that came first is in the delivery ledger now."""
        ...

    async def gone(self, event: Event[EventPublished]) -> None:
        """Nobody can edit the message any more, or it will never be: the next event makes a new one."""
        ...


_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('posta:standing:' || $1, 0))"
_FIND = """
    SELECT message_id, first_event, last_event, repeats, first_at, last_at FROM standing_message
    WHERE destination = $1 AND publisher = $2 AND kind = $3 AND key = $4
"""
_BEGIN = """
    INSERT INTO standing_message
        (destination, publisher, kind, key, first_event, last_event, first_at, last_at)
    VALUES ($1, $2, $3, $4, $5, $5, $6, $6)
    ON CONFLICT (destination, publisher, kind, key) DO UPDATE
    SET message_id = NULL, first_event = $5, last_event = $5, repeats = 1, first_at = $6, last_at = $6,
        updated_at = now()
"""
_COUNT = """
    INSERT INTO standing_event (event_id, destination, first_event) VALUES ($1, $2, $3)
    ON CONFLICT (event_id) DO NOTHING RETURNING event_id
"""
_NOT_FOLDED = "UPDATE standing_event SET first_event = event_id WHERE event_id = $1"
_COUNTED_FOR = "SELECT first_event FROM standing_event WHERE event_id = $1"
_REPEAT = """
    UPDATE standing_message
    SET repeats = repeats + 1, last_event = $5, last_at = greatest(last_at, $6), updated_at = now()
    WHERE destination = $1 AND publisher = $2 AND kind = $3 AND key = $4
    RETURNING repeats
"""
_LATEST = """
    UPDATE standing_message SET last_event = $5, last_at = $6, updated_at = now()
    WHERE destination = $1 AND publisher = $2 AND kind = $3 AND key = $4
"""
_POSTED = """
    UPDATE standing_message SET message_id = delivery.message_id, updated_at = now()
    FROM delivery
    WHERE standing_message.first_event = $1 AND delivery.event_id = $1
"""
_GONE = """
    DELETE FROM standing_message WHERE destination = $1 AND publisher = $2 AND kind = $3 AND key = $4
"""
_PRUNE_MESSAGES = "DELETE FROM standing_message WHERE updated_at < now() - make_interval(secs => $1)"
_PRUNE_EVENTS = "DELETE FROM standing_event WHERE at < now() - make_interval(secs => $1)"


class PostgresStanding:
    """The tables ``standing_message`` and ``standing_event``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def join(self, event: Event[EventPublished], *, window_s: float) -> Standing:
        """See ``StandingMessages``."""
        place = place_of(event.data)
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK, "\n".join(place))
            row = await connection.fetchrow(_FIND, *place)
            counted_for = await connection.fetchval(_COUNTED_FOR, event.id)
            if row is not None and event.id == row["first_event"]:
                repeats = row["repeats"] if place[2] == "dedupe" else 1
                return Standing(part=Part.FIRST, message_id=row["message_id"], repeats=repeats)
            is_over = place[2] == "dedupe" and row is not None and _is_over(row["first_at"], event, window_s)
            if row is None or (is_over and counted_for != row["first_event"]):
                await connection.execute(_BEGIN, *place, event.id, event.time)
                if counted_for is not None:
                    await connection.execute(_NOT_FOLDED, event.id)
                return Standing(part=Part.FIRST)
            if row["message_id"] is None:
                return Standing(part=Part.WAITS)
            if place[2] == "dedupe":
                repeats = await self._count(connection, place, event, row["first_event"], row["repeats"])
                return Standing(part=Part.EDITS, message_id=row["message_id"], repeats=repeats)
            if event.id != row["last_event"] and event.time < row["last_at"]:
                return Standing(part=Part.SUPERSEDED)
            await connection.execute(_LATEST, *place, event.id, event.time)
            return Standing(part=Part.EDITS, message_id=row["message_id"])

    async def posted(self, event: Event[EventPublished]) -> None:
        """See ``StandingMessages``."""
        async with self._database.connection() as connection:
            await connection.execute(_POSTED, event.id)

    async def gone(self, event: Event[EventPublished]) -> None:
        """See ``StandingMessages``."""
        if kind_of(event.data) is None:
            return
        async with self._database.connection() as connection:
            await connection.execute(_GONE, *place_of(event.data))

    async def prune(self, *, older_than_s: float) -> None:
        """Forget messages that no event has touched for so long."""
        async with self._database.connection() as connection:
            await connection.execute(_PRUNE_MESSAGES, older_than_s)
            await connection.execute(_PRUNE_EVENTS, older_than_s)

    @staticmethod
    async def _count(
        connection: Connection, place: tuple[str, ...], event: Event[EventPublished], first: str, repeats: int
    ) -> int:
        is_new = await connection.fetchval(_COUNT, event.id, event.data.destination, first)
        if is_new is None:
            return repeats
        return int(await connection.fetchval(_REPEAT, *place, event.id, event.time))


def _is_over(first_at: datetime, event: Event[EventPublished], window_s: float) -> bool:
    return (event.time - first_at).total_seconds() > window_s


def place_of(event: EventPublished) -> tuple[str, str, str, str]:
    """What names its message: destination, publisher, kind and key."""
    kind = kind_of(event) or "dedupe"
    key = event.thread_key if kind == "thread" else event.dedupe_key
    return event.destination, event.publisher, kind, (key or "")[:500]
