"""What a scenario's topic is filled with: how many records, of which keys, holding what.

PURE: the same load is the same records every time, so that every contender reads the same.
"""

import itertools
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from random import Random

from aiokafka.partitioner import murmur2

from posta.domain.envelope import Event, Headers, encode
from posta.domain.payloads import EventPublished

HOT_KEY = b"k0"
"""The key that has more than its share, where one has."""
_TRACEPARENT = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
"""A trace that somebody upstream decided not to sample."""
_SEED = 20_261_121


class Keys(Enum):
    """How the records are spread over the keys."""

    EVEN = "even"
    """Each key in turn."""
    HOT = "hot"
    """Every second record has the hot key, the others take turns."""
    ZIPF = "zipf"
    """Key number n has a share proportional to 1/n; the first is the hot one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Records to be written."""

    records: int
    keys: Keys = Keys.EVEN
    key_count: int = 256
    value_bytes: int = 300
    events: bool = False
    """Events as Posta publishes them, with a trace that is not sampled; otherwise only bytes."""
    without_hot: bool = False
    """The same records without those of the hot key."""
    rate: float = 0.0
    """Records of the whole load per second, written while the contenders run; 0: all before."""

    @property
    def duration_s(self) -> float:
        """How long writing it takes at its rate."""
        return self.records / self.rate if self.rate else 0.0


@dataclass(frozen=True, slots=True)
class Item:
    """One record to be written."""

    position: int
    """Its place in the whole load, which says when it is due."""
    partition: int
    key: bytes
    value: bytes
    headers: Headers


def items(load: Load, partitions: int) -> Iterator[Item]:
    """The load's records in order; a key's partition is the one Kafka's own partitioner takes."""
    for position, number in enumerate(itertools.islice(_key_numbers(load), load.records)):
        key = b"k%d" % number
        if load.without_hot and key == HOT_KEY:
            continue
        value, headers = _event(number, load.value_bytes) if load.events else _bytes(load.value_bytes)
        yield Item(position, partition_of(key, partitions), key, value, headers)


@cache
def partition_of(key: bytes, partitions: int) -> int:
    """Where Kafka's default partitioner puts a key."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def ends(load: Load, partitions: int) -> tuple[int, ...]:
    """How many records each partition holds in the end."""
    counts = [0] * partitions
    for item in items(load, partitions):
        counts[item.partition] += 1
    return tuple(counts)


def _key_numbers(load: Load) -> Iterator[int]:
    match load.keys:
        case Keys.EVEN:
            yield from itertools.cycle(range(load.key_count))
        case Keys.HOT:
            for number in itertools.cycle(range(1, load.key_count)):
                yield 0
                yield number
        case Keys.ZIPF:
            weights = list(itertools.accumulate(1 / (n + 1) for n in range(load.key_count)))
            random = Random(_SEED)
            while True:
                yield bisect(weights, random.random() * weights[-1])


@cache
def _bytes(size: int) -> tuple[bytes, Headers]:
    return b"." * size, ()


@cache
def _event(number: int, size: int) -> tuple[bytes, Headers]:
    fields = {
        "destination": "bench",
        "publisher": "bench",
        "client_id": f"event-{number}",
        "client_type": "bench.happened",
        "client_source": "/bench",
        "occurred_at": "2026-01-01T00:00:00Z",
    }
    bare = len(EventPublished(**fields, data={"text": ""}).model_dump_json())
    data = EventPublished(**fields, data={"text": "." * max(0, size - bare)})
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    wire = encode(Event(id=f"bench:{number}", source="/bench", time=moment, key=f"k{number}", data=data))
    return wire.value or b"", (*wire.headers, _TRACEPARENT)
