"""What the engine tells of itself, through one interface: cheap enough to be always on.

What happens to each record is a plain number (``posta.telemetry.tally``) whose labels are bound
once; what merely *is*, such as how many are held, is looked at a few times a second (``Gauges``).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from posta.telemetry import names
from posta.telemetry.tally import Count, Spread


class TopicMeters:
    """What is counted for each record that a group reads from a topic."""

    __slots__ = ("_labels", "_outcomes", "ok", "received", "seconds")

    def __init__(self, group: str, topic: str) -> None:
        self._labels = group, topic
        self.received: Count = names.RECEIVED.labels(group, topic)
        self.ok: Count = names.PROCESSED.labels(group, topic, "ok")
        self.seconds: Spread = names.PROCESS_SECONDS.labels(group, topic)
        self._outcomes: dict[str, Count] = {"ok": self.ok}

    def ended(self, outcome: str) -> None:
        """Count one handling by how it ended."""
        counter = self._outcomes.get(outcome)
        if counter is None:
            counter = self._outcomes[outcome] = names.PROCESSED.labels(*self._labels, outcome)
        counter.value += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """How one engine is now."""

    in_flight: int
    held: int
    held_bytes: int
    paused: int
    """Partitions without room."""
    watermark_gap: int
    oldest_pending_s: float


class Meters:
    """Everything that one group's engine counts."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._topics: dict[str, TopicMeters] = {}
        self._waits: dict[tuple[str, str], Callable[[], None]] = {}
        self._lateness: dict[str, Callable[[float], None]] = {}
        self.age: Spread = names.MESSAGE_AGE.labels(group)

    def of(self, topic: str) -> TopicMeters:
        """The meters of a topic, the same object each time."""
        found = self._topics.get(topic)
        if found is None:
            found = self._topics[topic] = TopicMeters(self._group, topic)
        return found

    def ended(self, topic: str, outcome: str) -> None:
        """A handling ended: ok, retry, waiting, dead or abandoned."""
        self.of(topic).ended(outcome)

    def processed_in(self, topic: str, seconds: float) -> None:
        """A handling took so long, publishing included."""
        self.of(topic).seconds.observe(seconds)

    def waits(self, lane: str, cause: str) -> None:
        """A wait began, in a lane (or ``memory``)."""
        count = self._waits.get((lane, cause))
        if count is None:
            count = self._waits[lane, cause] = names.RETRIES.labels(self._group, lane, cause).inc
        count()

    def was_late(self, lane: str, seconds: float) -> None:
        """A record that had waited was handled so long after its not-before time."""
        observe = self._lateness.get(lane)
        if observe is None:
            observe = self._lateness[lane] = names.RETRY_LATENESS.labels(self._group, lane).observe
        observe(seconds)

    def died(self, cause: str) -> None:
        """A record became a dead letter."""
        names.DEAD_LETTERS.labels(self._group, cause).inc()

    def unexpected(self, what: str) -> None:
        """Something was raised that nobody classified."""
        names.UNEXPECTED.labels(self._group, what).inc()

    def committed(self, outcome: str) -> None:
        """A commit ended: ok or failed."""
        names.COMMITS.labels(self._group, outcome).inc()

    def assigned(self, partitions: Collection[object]) -> None:
        """A rebalance ended with these partitions."""
        names.REBALANCES.labels(self._group).inc()
        names.PARTITIONS_ASSIGNED.labels(self._group).set(len(partitions))

    def replaced_client(self) -> None:
        """The consumer's client was given up for a new one."""
        names.CONSUMER_REPLACED.labels(self._group).inc()

    def position_moved(self, topic: str, why: str) -> None:
        """A partition is read on from elsewhere than expected."""
        names.POSITION_MOVED.labels(self._group, topic, why).inc()

    def polled(self) -> None:
        """The loop has looked for records."""
        names.LAST_POLL.labels(self._group).set_to_current_time()

    def show(self, now: Gauges) -> None:
        """Set the gauges."""
        group = self._group
        names.IN_FLIGHT.labels(group).set(now.in_flight)
        names.HELD.labels(group).set(now.held)
        names.HELD_BYTES.labels(group).set(now.held_bytes)
        names.PARTITIONS_PAUSED.labels(group, "full").set(now.paused)
        names.WATERMARK_GAP.labels(group).set(now.watermark_gap)
        names.OLDEST_PENDING.labels(group).set(now.oldest_pending_s)
