"""Watches the topics a group reads: one that is missing, is back, or has other partitions is told once."""

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer

from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)


class Topology:
    """What one engine last saw of its ``topics`` (full names)."""

    def __init__(self, group: str, topics: Sequence[str], *, prefix: str) -> None:
        self._group = group
        self._topics = topics
        self._prefix = prefix
        self._counts: dict[str, int] = {}
        self._doubted: set[str] = set()
        """Not seen once: just after a start the client may not have heard of a topic yet."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The topics that are not there, without the deployment's prefix."""
        return tuple(topic.removeprefix(self._prefix) for topic, count in self._counts.items() if not count)

    def look(self, consumer: AIOKafkaConsumer) -> None:
        """Compare with what the client knows now; it learns of changes within ``metadata_max_age_ms``."""
        for topic in self._topics:
            count = len(consumer.partitions_for_topic(topic) or ())
            before = self._counts.get(topic)
            if not count and before != 0 and topic not in self._doubted:
                self._doubted.add(topic)
                continue
            self._doubted.discard(topic)
            if count != before:
                self._counts[topic] = count
                self._tell(topic.removeprefix(self._prefix), before, count)

    def _tell(self, topic: str, before: int | None, count: int) -> None:
        names.TOPIC_MISSING.labels(self._group, topic).set(int(count == 0))
        if count == 0:
            log.error("topic_missing", group=self._group, topic=topic, advice="posta topics apply")
        elif before == 0:
            log.info("topic_is_there", group=self._group, topic=topic, partitions=count)
        elif before is not None:
            names.TOPIC_RESIZED.labels(self._group, topic).inc()
            log.warning(
                "topic_partitions_changed",
                group=self._group,
                topic=topic,
                before=before,
                after=count,
                why="keys move to other partitions; order across the change is not kept",
            )
