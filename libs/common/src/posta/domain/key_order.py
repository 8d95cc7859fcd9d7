"""Ordered retries: while an earlier record of a key waits in a lane, later ones queue up behind it.

    fresh ─────────────▶ last of its key's line
    head of the line ──▶ handled: done         ──▶ the next one is head
                                  failed       ──▶ a lane; it stays head
                                  dead letter  ──▶ the next one is head (GO_ON), or
                                                   a stand-in is head until a replay ends well,
                                                   or a release comes (HOLD_KEY)
    any other, while the head
        is handled, or due in a moment ──▶ stays in memory
        waits longer                   ──▶ rides the longest lane that is back before the head
        is overdue                     ──▶ rides the shortest lane, so that nothing blocks the head

A record's place in the line is fixed when it first arrives and travels with it, so the order does
not depend on which lane a record rides, how often, or when it gets off. Three facts keep the order
over a crash, when all that is left is what the lanes and the sources hold:

1. One record of a key at a time is handled or published, and those that go to a lane for the first
   time go in order. So what is in lanes is always a *first part* of the line, with places; the rest
   is still in its source, in order, and joins behind.
2. A record counts as moved only when Kafka has confirmed the copy; the copy with the most rides is
   the record, every other one is passed over.
3. Nothing of a partition starts before the line is rebuilt from the lanes (``restore``).

Rule: no I/O and no clock here; ``next`` says what may start, and the caller reports how that ended.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from posta.domain.failure import Delivery
from posta.domain.key_line import Entry, Identity, Line, Where, identity_of
from posta.domain.lanes import Lanes

R = TypeVar("R")
GRACE_S = 1.0
"""So long after it was due the head may be missing before those behind it leave memory to it."""
HOLD_S = 120.0
"""A held key's records ride lanes no longer than this, so that a release finds them soon."""


class OnDeadLetter(Enum):
    """What becomes of a key when one of its records becomes a dead letter."""

    GO_ON = "go on"
    """The records behind it proceed."""
    HOLD_KEY = "hold key"
    """They wait until the dead letter is replayed and handled well, or an admin releases the key."""


@dataclass(frozen=True, slots=True)
class Handle(Generic[R]):
    """Handle the record now; its line is busy until its end is reported."""

    item: R


@dataclass(frozen=True, slots=True)
class Divert(Generic[R]):
    """Publish the record to the lane of ``delay_s``; its line is busy until that is confirmed."""

    item: R
    delay_s: int


@dataclass(frozen=True, slots=True)
class Look:
    """Nothing may start; ask again at ``at`` (seconds since the epoch)."""

    at: float


Location = tuple[str, int]
"""Topic and offset, in the one partition number that an order is about."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record found in a lane, unfinished."""

    key: bytes
    location: Location
    delivery: Delivery


class KeyOrder(Generic[R]):
    """The lines of all keys of one partition number, over the sources and the lanes of a group.

    ``R`` is the caller's handle of a record in memory. Memory is linear in the records that are
    in memory or in lanes; a key with none of either costs nothing.
    """

    def __init__(self, lanes: Lanes, *, on_dead_letter: OnDeadLetter = OnDeadLetter.HOLD_KEY) -> None:
        self._lanes = lanes
        self._on_dead_letter = on_dead_letter
        self._lines: dict[bytes, Line[R]] = {}
        self._superseded: set[Location] = set()
        self._next_place = 0
        self.riding = 0
        """Records in lanes that are not in memory."""
        self.held: set[bytes] = set()
        """Keys that a dead letter holds."""

    def __len__(self) -> int:
        """How many keys have a record in memory or in a lane."""
        return len(self._lines)

    def restore(self, found: Iterable[Waiting], read_again_from: Mapping[str, int]) -> None:
        """Line up what the lanes hold, before anything arrives.

        ``read_again_from`` is the committed offset of each source topic: a record of it that is in
        a lane too, because a crash came before its commit, is passed over when it comes again.
        Records without a place (replays, or written by a group with independent retries) go first.
        """
        if self._on_dead_letter is OnDeadLetter.GO_ON:
            # Stand-ins from before hold nothing now; not being known, they are passed over.
            found = (one for one in found if not one.delivery.stand_in)
        newest = self._newest(found)
        strangers = sum(one.delivery.place is None for one in newest)
        self._next_place = max((one.delivery.place or 0 for one in newest), default=-1) + 1
        for one in sorted(newest, key=_stand_ins_first):
            delivery = one.delivery
            place = delivery.place
            if place is None:
                place, strangers = self._place_of_dead(one.key, delivery, -strangers), strangers - 1
            entry: Entry[R] = Entry(identity_of(delivery), place, Where.RIDING, 0, 0.0, 0.0)
            entry.rides_on(delivery)
            self._line(one.key).add(entry)
            self.riding += 1
            if delivery.stand_in:
                self.held.add(one.key)
            elif _comes_again(delivery, read_again_from):
                self._superseded.add((delivery.origin.topic, delivery.origin.offset))

    def arrived(self, key: bytes, delivery: Delivery, item: R, location: Location) -> tuple[R, ...]:
        """Take in a fetched record; return those that are to be finished without being handled."""
        if location in self._superseded:
            self._superseded.discard(location)
            return (item,)
        line = self._line(key)
        entry = line.entries.get(identity_of(delivery))
        if entry is None:
            return self._first_seen(key, line, delivery, item)
        if entry.released is not None:
            self.riding -= 1
            self._remove(key, line, entry)
            return (item, *entry.released)
        if entry.where is Where.RIDING and delivery.rides >= entry.rides:
            self.riding -= 1
            line.came(entry, delivery, item)
            return ()
        if entry.where is Where.BUSY and delivery.rides > entry.rides and entry.early is None:
            entry.early = (delivery, item)
            return ()
        # An older copy, or a second one of what we hold: the record itself is safe where it is.
        return (item,)

    def next(self, key: bytes, now: float) -> Handle[R] | Divert[R] | Look | None:
        """What of the key may start now; None: nothing before something is reported or arrives."""
        line = self._lines.get(key)
        if line is None or line.busy is not None:
            return None
        head = line.head()
        if head is None:
            return None
        if head.where is Where.HERE and head.starts_at <= now:
            if head.is_stand_in:
                return self._divert(line, head, self._hold_lane_s)
            return Handle(_start(line, head))
        follower = line.first_off(now)
        looks = [head.starts_at] if head.where is Where.HERE else []
        if follower is not None:
            delay_s = self._lane_behind(head, now)
            if delay_s is not None:
                return self._divert(line, follower, delay_s)
            looks.append(head.expected_at + GRACE_S)
        off_at = line.next_off_at()
        return _look(line, looks if off_at is None else [*looks, off_at], now)

    def look(self, key: bytes, now: float) -> Handle[R] | Divert[R] | Look | None:
        """``next``, asked because a ``Look`` is due."""
        line = self._lines.get(key)
        if line is not None:
            line.look_at = None
        return self.next(key, now)

    def place(self, key: bytes) -> int | None:
        """The place of the key's busy record."""
        line = self._lines.get(key)
        return line.busy.place if line is not None and line.busy is not None else None

    def rode(self, key: bytes, delivery: Delivery) -> None:
        """The busy record is confirmed in a lane, as ``delivery`` says."""
        line = self._lines[key]
        entry = _stop(line)
        entry.rides_on(delivery)
        if entry.early is not None:
            line.came(entry, *entry.early)
        else:
            self.riding += 1

    def ended(self, key: bytes) -> tuple[R, ...]:
        """The busy record was handled well; return what is finished by that.

        If it is the replay of a dead letter that holds the key, the key is released. A stand-in
        that is not in memory has to be fetched first: only then are both finished, so that a crash
        in between repeats the replay and not the hold.
        """
        line = self._lines[key]
        entry = _stop(line)
        finished = _items(entry)
        stand_in = line.entries.get(_stand_in_of(entry.identity))
        self._remove(key, line, entry)
        if stand_in is None:
            return finished
        self.held.discard(key)
        if stand_in.where is Where.HERE:
            self._remove(key, line, stand_in)
            return finished + _items(stand_in)
        stand_in.released = finished
        return ()

    def died(self, key: bytes) -> tuple[R, ...]:
        """The busy record is a dead letter; return what is finished by that."""
        line = self._lines[key]
        entry = _stop(line)
        self._remove(key, line, entry)
        return _items(entry)

    def is_held_by(self, key: bytes) -> bool:
        """Whether the key is held for the busy record already, which was replayed and failed again."""
        line = self._lines[key]
        return line.busy is not None and _stand_in_of(line.busy.identity) in line.entries

    def holders(self) -> Iterator[Identity]:
        """The dead letters that hold keys now, by where they came from."""
        for key in self.held:
            for entry in self._lines[key].entries.values():
                if entry.is_stand_in and entry.released is None:
                    yield entry.identity

    def hold(self, key: bytes, stand_in: Delivery) -> None:
        """Put a stand-in into the busy record's place, before it is published and the record dies."""
        line = self._lines[key]
        assert line.busy is not None  # noqa: S101 - only the busy record dies
        entry: Entry[R] = Entry(identity_of(stand_in), line.busy.place, Where.RIDING, 0, 0.0, 0.0)
        entry.rides_on(stand_in)
        line.add(entry)
        self.riding += 1
        self.held.add(key)

    @property
    def hold_lane_s(self) -> int | None:
        """The delay of the lane that stand-ins ride."""
        return self._lanes.lane_for(HOLD_S) or self._shortest_s

    @property
    def _hold_lane_s(self) -> int:
        lane_s = self.hold_lane_s
        assert lane_s is not None  # noqa: S101 - a stand-in came off a lane
        return lane_s

    @property
    def _shortest_s(self) -> int | None:
        return self._lanes.delays_s[0] if self._lanes.delays_s else None

    def _lane_behind(self, head: Entry[R], now: float) -> int | None:
        """The lane for a record that waits for ``head``; None: it stays in memory for now."""
        wait_s = head.expected_at - now
        if head.is_stand_in:
            return self._lanes.lane_for(min(wait_s, HOLD_S)) or self._shortest_s
        lane_s = self._lanes.lane_for(wait_s)
        if lane_s is not None or wait_s > -GRACE_S:
            return lane_s
        return self._shortest_s

    def _divert(self, line: Line[R], entry: Entry[R], delay_s: int) -> Divert[R]:
        return Divert(_start(line, entry), delay_s)

    def _first_seen(self, key: bytes, line: Line[R], delivery: Delivery, item: R) -> tuple[R, ...]:
        if delivery.stand_in:
            # Ours are known before they are published: this is a late copy of a released one, or
            # of a member that lost the partition, whose record we have and will judge again.
            self._tidy(key, line)
            return (item,)
        place = self._place_of_dead(key, delivery, self._next_place)
        self._next_place += 1
        entry: Entry[R] = Entry(identity_of(delivery), place, Where.HERE, 0, 0.0, 0.0)
        line.add(entry)
        line.came(entry, delivery, item)
        return ()

    def _place_of_dead(self, key: bytes, delivery: Delivery, otherwise: int) -> int:
        """A record whose stand-in holds the key goes before it; any other to the place given."""
        stand_in = self._line(key).entries.get(_stand_in_of(identity_of(delivery)))
        return otherwise if stand_in is None or stand_in.released is not None else stand_in.place

    def _newest(self, found: Iterable[Waiting]) -> list[Waiting]:
        newest: dict[tuple[bytes, Identity], Waiting] = {}
        for one in found:
            name = (one.key, identity_of(one.delivery))
            older = newest.get(name)
            if older is not None and older.delivery.rides >= one.delivery.rides:
                self._superseded.add(one.location)
                continue
            newest[name] = one
            if older is not None:
                self._superseded.add(older.location)
        return list(newest.values())

    def _line(self, key: bytes) -> Line[R]:
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line()
        return line

    def _remove(self, key: bytes, line: Line[R], entry: Entry[R]) -> None:
        line.remove(entry)
        self._tidy(key, line)

    def _tidy(self, key: bytes, line: Line[R]) -> None:
        if not line.entries:
            self._lines.pop(key, None)


def _start(line: Line[R], entry: Entry[R]) -> R:
    assert entry.item is not None  # noqa: S101 - what is here has its handle
    line.busy, entry.where = entry, Where.BUSY
    return entry.item


def _stop(line: Line[R]) -> Entry[R]:
    entry, line.busy = line.busy, None
    assert entry is not None  # noqa: S101 - only what was started is reported
    return entry


def _items(entry: Entry[R]) -> tuple[R, ...]:
    early = () if entry.early is None else (entry.early[1],)
    return early if entry.item is None else (entry.item, *early)


def _look(line: Line[R], times: list[float], now: float) -> Look | None:
    """The earliest of ``times``, unless the caller means to ask at least as early anyway."""
    at = min(times, default=None)
    if at is None or (line.look_at is not None and now < line.look_at <= at):
        return None
    line.look_at = at
    return Look(at)


def _comes_again(delivery: Delivery, read_again_from: Mapping[str, int]) -> bool:
    origin = delivery.origin
    is_itself = not delivery.redrive and not delivery.release
    return is_itself and origin.offset >= read_again_from.get(origin.topic, 0)


def _stand_in_of(identity: Identity) -> Identity:
    return identity._replace(redrive=-1)


def _stand_ins_first(one: Waiting) -> tuple[bool, int]:
    return not one.delivery.stand_in, one.location[1]
