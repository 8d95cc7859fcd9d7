"""The line of one key: its records in the order they came, and where each of them is now.

    riding ──fetched off its lane's topic──▶ here ──its turn──▶ busy ──ended──▶ (gone)
      ▲                                       ▲ new arrival       │
      └───────── confirmed in a lane (once more) ─────────────────┘

Rule: at most one record of a line is busy, so a line changes by one confirmed step at a time.
"""

import heapq
import itertools
import sys
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

from posta.domain.failure import Delivery

R = TypeVar("R")
_STAND_IN = -1
_RELEASE = -2
_serial = itertools.count()


class Identity(NamedTuple):
    """Which record it is, however often it has been copied from lane to lane."""

    topic: str
    partition: int
    offset: int
    redrive: int
    """Which replay of it; -1 for the stand-in of a dead letter, -2 for the release of its key."""


def identity_of(delivery: Delivery) -> Identity:
    """The identity that all copies of a record share."""
    origin = delivery.origin
    redrive = _STAND_IN if delivery.stand_in else _RELEASE if delivery.release else delivery.redrive
    # Interned: there may be very many identities, and there are few topics.
    return Identity(sys.intern(origin.topic), origin.partition, origin.offset, redrive)


class Where(Enum):
    """Where the newest copy of a record is."""

    RIDING = "riding"
    """In a lane's topic, not in our memory."""
    HERE = "here"
    """In our memory, not started."""
    BUSY = "busy"
    """Being handled, or being published to a lane."""


@dataclass(slots=True, eq=False)
class Entry(Generic[R]):
    """One record of a line."""

    identity: Identity
    place: int
    """Lower came earlier."""
    where: Where
    rides: int
    """How many lanes the newest known copy has been published to."""
    off_at: float
    """Seconds since the epoch at which it gets off its lane; 0: it rides none."""
    ready_at: float
    """Seconds since the epoch before which its own failure keeps it from being handled."""
    item: R | None = None
    early: tuple[Delivery, R] | None = None
    """The copy it is about to become, fetched before its publish was confirmed to us."""
    released: tuple[R, ...] | None = None
    """Of a stand-in that is held for no longer: what is finished as soon as it is fetched."""

    @property
    def is_stand_in(self) -> bool:
        """Whether it stands for a dead letter that holds the key."""
        return self.identity.redrive == _STAND_IN

    @property
    def starts_at(self) -> float:
        """When the first of its line may start: at once, unless its own failure makes it wait."""
        return self.off_at if self.is_stand_in else min(self.off_at, self.ready_at)

    @property
    def expected_at(self) -> float:
        """When it is back at the latest, if nothing is in its way."""
        return max(self.off_at, self.ready_at)

    def comes(self, delivery: Delivery, item: R) -> None:
        """Its newest copy is in memory."""
        self.where, self.item, self.early = Where.HERE, item, None
        self.rides, self.off_at, self.ready_at = delivery.rides, delivery.lane_due, delivery.not_before

    def rides_on(self, delivery: Delivery) -> None:
        """Its newest copy is confirmed in a lane."""
        self.where, self.item = Where.RIDING, None
        self.rides, self.off_at, self.ready_at = delivery.rides, delivery.lane_due, delivery.not_before


_Ranked = tuple[float, bool, int, Entry[R]]
"""What a heap is sorted by (a place, or a time), then: a stand-in behind its record, then age."""


@dataclass(slots=True, eq=False)
class Line(Generic[R]):
    """All that is known of one key; the heaps forget lazily, ``entries`` says what is true."""

    entries: dict[Identity, Entry[R]] = field(default_factory=dict)
    busy: Entry[R] | None = None
    look_at: float | None = None
    """When the caller already means to ask again."""
    _order: list[_Ranked[R]] = field(default_factory=list)
    _aboard: list[_Ranked[R]] = field(default_factory=list)
    """Here, but their lane's delay has not passed: by when they get off."""
    _off: list[_Ranked[R]] = field(default_factory=list)
    """Here and on no lane: by place."""

    def add(self, entry: Entry[R]) -> None:
        """Take a record that is not known into the line, by its place."""
        self.entries[entry.identity] = entry
        heapq.heappush(self._order, _ranked(entry.place, entry))

    def remove(self, entry: Entry[R]) -> None:
        """The record is done."""
        del self.entries[entry.identity]

    def came(self, entry: Entry[R], delivery: Delivery, item: R) -> None:
        """The newest copy of ``entry`` is in memory."""
        entry.comes(delivery, item)
        if entry.off_at:
            heapq.heappush(self._aboard, _ranked(entry.off_at, entry))
        else:
            heapq.heappush(self._off, _ranked(entry.place, entry))

    def head(self) -> Entry[R] | None:
        """The earliest record that is not done; those behind it wait for it."""
        order = self._order
        while order:
            entry = order[0][-1]
            if self.entries.get(entry.identity) is entry and entry.released is None:
                return entry
            heapq.heappop(order)
        return None

    def first_off(self, now: float) -> Entry[R] | None:
        """The earliest record that is here and on no lane any more."""
        self._get_off(now)
        while self._off:
            entry = self._off[0][-1]
            if self._is_here(entry) and entry.off_at <= now:
                return entry
            heapq.heappop(self._off)
        return None

    def next_off_at(self) -> float | None:
        """When the next of those here gets off its lane; ask ``first_off`` before."""
        return self._aboard[0][0] if self._aboard else None

    def _get_off(self, now: float) -> None:
        aboard = self._aboard
        while aboard and (aboard[0][0] <= now or not self._is_aboard(aboard[0])):
            at, _, _, entry = heapq.heappop(aboard)
            if self._is_here(entry) and entry.off_at == at:
                heapq.heappush(self._off, _ranked(entry.place, entry))

    def _is_aboard(self, ranked: _Ranked[R]) -> bool:
        return self._is_here(ranked[-1]) and ranked[-1].off_at == ranked[0]

    def _is_here(self, entry: Entry[R]) -> bool:
        return entry.where is Where.HERE and self.entries.get(entry.identity) is entry


def _ranked(rank: float, entry: Entry[R]) -> _Ranked[R]:
    return rank, entry.is_stand_in, next(_serial), entry
