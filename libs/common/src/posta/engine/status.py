"""What one engine says of itself to an operator: one frozen value, true at the moment it is made."""

import itertools
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from posta.domain.flood import Closed, Open, Probing
from posta.engine.dispatch import Dispatcher
from posta.engine.floodgate import Floodgate
from posta.engine.intake import Intake
from posta.engine.ordered import Ordered

_MOST_HELD_KEYS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One reason why nothing is started."""

    why: str
    """A dependency's name, ``flood``, or ``operator: `` and the reason given."""
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodStatus:
    """The dead-letter flood breaker; see ``posta.domain.flood``."""

    state: Literal["off", "closed", "open", "probing"]
    trips: int
    """Trips in succession."""
    in_a_row: int
    """Deaths since the last success."""
    died: int
    """Deaths among those that ended within the policy's window."""
    ended: int
    """Records that ended within the policy's window."""
    canary_in_s: float | None
    """Seconds until one record is let through; null unless open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKey:
    """A key that waits for the replay of a dead letter, by that letter's origin: the key names people."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """One member of a group: what it owns, what it holds, and why it stands still if it does."""

    group: str
    joined: bool
    """Whether it is a member of its group now."""
    assigned: tuple[str, ...]
    """Its partitions, as ``topic/number``, lanes included."""
    in_flight: int
    """Handlings running now."""
    held: int
    """Records in memory, waiting or running."""
    holds: tuple[Hold, ...]
    """Why nothing is started; empty while work flows."""
    watermark_gap: int
    """Largest distance from a partition's watermark to its newest record, in records."""
    oldest_pending_s: float
    """How long the oldest unfinished record has been here."""
    lanes_waiting: dict[str, int]
    """Records in memory that ride a retry lane and are not due yet, by lane topic."""
    flood: FloodStatus
    order_fault: str | None = None
    """Ordered retries: which partitions wait until it is known who stands in the lanes, and why."""
    held_keys: tuple[HeldKey, ...] = ()
    """Ordered retries: the dead letters to be replayed so that their keys go on; the first 100."""


def read_status(
    group: str,
    intake: Intake,
    dispatcher: Dispatcher,
    floodgate: Floodgate,
    ordered: Ordered | None = None,
) -> EngineStatus:
    """The status now."""
    partitions, now = intake.partitions, time.monotonic()
    lanes_waiting: dict[str, int] = {}
    for partition in partitions:
        if partition.waiting:
            lanes_waiting[partition.topic] = lanes_waiting.get(partition.topic, 0) + len(partition.waiting)
    return EngineStatus(
        group=group,
        joined=intake.joined,
        assigned=intake.assigned_names(),
        in_flight=sum(len(partition.running) for partition in partitions),
        held=sum(partition.held for partition in partitions),
        holds=tuple(
            Hold(why=why, since=datetime.fromtimestamp(since, UTC))
            for why, since in sorted(dispatcher.held_since.items())
        ),
        watermark_gap=max((partition.watermark.gap for partition in partitions), default=0),
        oldest_pending_s=max((partition.oldest_pending_s(now) for partition in partitions), default=0.0),
        lanes_waiting=dict(sorted(lanes_waiting.items())),
        flood=_flood_status(floodgate),
        order_fault=intake.order_fault,
        held_keys=() if ordered is None else _held_keys(ordered),
    )


def _held_keys(ordered: Ordered) -> tuple[HeldKey, ...]:
    return tuple(
        HeldKey(topic=one.topic, partition=one.partition, offset=one.offset)
        for one in sorted(itertools.islice(ordered.holders(), _MOST_HELD_KEYS))
    )


def _flood_status(floodgate: Floodgate) -> FloodStatus:
    breaker = floodgate.breaker
    state: Literal["off", "closed", "open", "probing"]
    match breaker.state:
        case _ if not floodgate.is_on:
            state = "off"
        case Closed():
            state = "closed"
        case Open():
            state = "open"
        case Probing():
            state = "probing"
    died, ended = floodgate.counts()
    return FloodStatus(
        state=state,
        trips=breaker.state.trips,
        in_a_row=breaker.row,
        died=died,
        ended=ended,
        canary_in_s=floodgate.probe_in_s(),
    )
