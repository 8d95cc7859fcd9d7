"""A ledger in memory, for tests: it passes the contract suite of the real one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from notifier.ledger.ledger import Begun, Delivery
from notifier.ledger.standing import Part, Standing, kind_of, place_of
from posta.domain.envelope import Event
from posta.domain.payloads import EventPublished
from posta.errors import Unavailable
from posta.postgres.destinations import Disabled, Registered


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is kept of one delivery."""

    delivery: Delivery
    state: str
    attempts: int = 1


class MemoryLedger:
    """See ``notifier.ledger.ledger.Ledger``; while ``away`` is set every call raises ``Unavailable``."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.away = False

    async def begin(self, delivery: Delivery) -> Begun:
        """See ``Ledger``."""
        self._check()
        row = self.rows.get(delivery.event_id)
        if row is None:
            self.rows[delivery.event_id] = Row(delivery=delivery, state="sending")
            return Begun.FRESH
        if row.state == "sent":
            return Begun.SENT
        known_id = row.delivery.message_id or delivery.message_id
        self.rows[delivery.event_id] = Row(
            delivery=replace(delivery, message_id=known_id), state="sending", attempts=row.attempts + 1
        )
        return Begun.UNKNOWN if row.state == "sending" else Begun.FRESH

    async def sent(self, event_id: str, *, message_id: str | None) -> None:
        """See ``Ledger``."""
        self._check()
        row = self.rows.get(event_id)
        if row is not None:
            known = replace(row.delivery, message_id=message_id or row.delivery.message_id)
            self.rows[event_id] = replace(row, delivery=known, state="sent")

    async def refused(self, event_id: str) -> None:
        """See ``Ledger``."""
        self._check()
        row = self.rows.get(event_id)
        if row is not None and row.state == "sending":
            self.rows[event_id] = replace(row, state="failed")

    async def known(self, message_ids: Sequence[str]) -> frozenset[str]:
        """See ``notifier.discord.events.KnownIds``."""
        self._check()
        noted = {row.delivery.message_id for row in self.rows.values()}
        return frozenset(message_ids) & frozenset(one for one in noted if one)

    def _check(self) -> None:
        if self.away:
            raise Unavailable("postgres", "the test said so")


class MemoryStanding:
    """See ``notifier.ledger.standing.StandingMessages``; ``ledger`` is where messages' ids are noted."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger
        self._rows: dict[tuple[str, str, str, str], _Stood] = {}

    async def join(self, event: Event[EventPublished], *, window_s: float) -> Standing:
        """See ``StandingMessages``."""
        place = place_of(event.data)
        row = self._rows.get(place)
        if row is not None and row.first == event.id:
            return Standing(part=Part.FIRST, message_id=row.message_id, repeats=len(row.counted))
        is_over = row is not None and (event.time - row.first_at).total_seconds() > window_s
        if row is None or (place[2] == "dedupe" and is_over and event.id not in row.counted):
            self._rows[place] = _Stood(event.id, event.time, event.time, event.id, {event.id})
            return Standing(part=Part.FIRST)
        if row.message_id is None:
            return Standing(part=Part.WAITS)
        if place[2] == "dedupe":
            row.counted.add(event.id)
            return Standing(part=Part.EDITS, message_id=row.message_id, repeats=len(row.counted))
        if event.id != row.last and event.time < row.last_at:
            return Standing(part=Part.SUPERSEDED)
        row.last, row.last_at = event.id, event.time
        return Standing(part=Part.EDITS, message_id=row.message_id)

    async def posted(self, event: Event[EventPublished]) -> None:
        """See ``StandingMessages``."""
        for row in self._rows.values():
            if row.first == event.id:
                row.message_id = self._ledger.rows[event.id].delivery.message_id

    async def gone(self, event: Event[EventPublished]) -> None:
        """See ``StandingMessages``."""
        if kind_of(event.data) is not None:
            self._rows.pop(place_of(event.data), None)


@dataclass(slots=True)
class _Stood:
    first: str
    first_at: datetime
    last_at: datetime
    last: str
    counted: set[str]
    message_id: str | None = None


class MemoryRegistry:
    """The part of ``DestinationRegistry`` that a directory uses."""

    def __init__(self) -> None:
        self.rows: list[Registered] = []
        self.why: dict[str, str] = {}

    async def all(self) -> list[Registered]:
        """See ``DestinationRegistry``."""
        return list(self.rows)

    async def disabled(self) -> dict[str, Disabled]:
        """See ``DestinationRegistry``."""
        return {name: Disabled(why=why, since=datetime.now(UTC)) for name, why in self.why.items()}

    async def disable(self, destination_id: str, *, why: str) -> bool:
        """See ``DestinationRegistry``."""
        is_new = destination_id not in self.why
        self.why.setdefault(destination_id, why)
        return is_new
