"""How one engine is tuned: the frozen values that ``Engine`` is built with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from posta.domain.flood import FloodPolicy
from posta.domain.key_order import OnDeadLetter
from posta.domain.rank import Rank
from posta.domain.retry import RetryPolicy
from posta.engine.message import RawRecord

RECORD_OVERHEAD_BYTES = 900
"""What a record takes in memory beside its key and value: its objects, its headers, its place in line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may be in memory; at a bound the partition is not fetched from, until half of it is free."""

    records_per_partition: int = 8_192
    """Fetched from a source and not finished. Many, so that a key which cannot keep up is not soon in
    the way of the others of its partition; it is the bytes that bound memory."""
    records_ahead: int = 1_024
    """The same while any of the partition could start at once: more would only lie there."""
    records_per_lane_partition: int = 512
    """The same of a retry lane: only its head region has to be near, as it is due in order."""
    span_per_partition: int = 10_000
    """Records from the watermark to the newest one, finished or not: what one stuck record may cost."""
    total_bytes: int = 32 * 1024 * 1024
    """Keys and values over all partitions, and 900 bytes for each record's own objects. One
    partition may hold as much of it as is still free, so none can take it from all others."""


class Ordering(Enum):
    """What is handled one after another, in the order of its partition."""

    KEY = "key"
    """Records of the same key; one without a key stands alone."""
    PARTITION = "partition"
    """All records of a partition."""
    UNORDERED = "unordered"
    """Nothing: as many at once as ``concurrency`` allows."""


class Retries(Enum):
    """What later records of a key do while an earlier one waits in a lane."""

    INDEPENDENT = "independent"
    """They go ahead: each record on its own. One that comes back from a lane does not queue behind the key's
    fresh records, so it may run beside one of them: choose ``ORDERED`` where that matters."""
    ORDERED = "ordered"
    """They queue up behind it, across restarts, rebalances and members; see ``posta.domain.key_order``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePolicy:
    """Concurrency, bounds and time limits."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    ordering: Ordering = Ordering.KEY
    topic_weights: Mapping[str, int] = field(default_factory=dict)
    """Shares of the starts, by source topic, where several have records ready; 1 for any that is not named.
    The heavier one goes first, and the lighter one gets its share all the same."""
    rank: Callable[[RawRecord], Rank] | None = None
    """How urgent a fetched record is: of a key, and among keys that are ready, the more urgent goes first.
    None: as they came. For independent retries only; it must not raise, whatever the record holds."""
    retries: Retries = Retries.INDEPENDENT
    """Ordered ones cost memory for each record in the lanes, and a look at the lanes at each assignment."""
    on_dead_letter: OnDeadLetter = OnDeadLetter.GO_ON
    """Of ordered retries only; holding a key needs a lane. Going on also releases the keys held before."""
    bounds: Bounds = field(default_factory=Bounds)
    flood: FloodPolicy | None = field(default_factory=FloodPolicy)
    """When the group pauses instead of emptying its topics into the dead letters; None: never."""
    concurrency: int = 64
    """Handlers running at once, over all partitions."""
    handler_timeout_s: float = 60.0
    """A handler that runs longer is cancelled; that counts as a transient failure."""
    drain_s: float = 7.0
    """What is in flight may take this long to finish at a rebalance or at SIGTERM."""
    commit_interval_s: float = 1.0
    """At most so long after it finished is a record's offset committed."""
    publish_timeout_s: float = 10.0
    """One try to publish; tries go on until Kafka confirms or the partition is lost."""

    def __post_init__(self) -> None:
        if self.retries is Retries.ORDERED and self.ordering is not Ordering.KEY:
            raise ValueError(f"ordered retries keep the order of keys; ordering is {self.ordering.name}")
        if self.retries is Retries.ORDERED and self.rank is not None:
            raise ValueError("ordered retries keep the order of keys as it came: they cannot be ranked")
        if any(weight < 1 for weight in self.topic_weights.values()):
            raise ValueError(f"a topic's weight must be at least 1: {dict(self.topic_weights)}")
