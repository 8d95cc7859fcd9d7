"""How one engine is tuned: the frozen values that ``Engine`` is built with."""

from dataclasses import dataclass, field
from enum import Enum

from posta.domain.flood import FloodPolicy
from posta.domain.key_order import OnDeadLetter
from posta.domain.retry import RetryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may be in memory; at a bound the partition pauses, at half of it it resumes."""

    records_per_partition: int = 512
    """Fetched and not finished, lanes included."""
    span_per_partition: int = 10_000
    """Records from the watermark to the newest one, finished or not: what one stuck record may cost."""
    total_bytes: int = 64 * 1024 * 1024
    """Keys and values over all partitions."""


class Retries(Enum):
    """What later records of a key do while an earlier one waits in a lane."""

    INDEPENDENT = "independent"
    """They go ahead: each record on its own."""
    ORDERED = "ordered"
    """They queue up behind it, across restarts, rebalances and members; see ``posta.domain.key_order``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePolicy:
    """Concurrency, bounds and time limits."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
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
