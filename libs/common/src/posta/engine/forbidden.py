"""Leaves a topic that the group may not read alone, and reads the others.

    fetch ──Kafka: not authorised──▶ its partitions paused ──every 30 s──▶ tried again ──▶ read as before

Otherwise one forbidden lane would fail every poll of the member, for all its topics.
"""

import time
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import TopicAuthorizationFailedError

from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_AGAIN_S = 30.0
_QUIET_S = 5.0
"""So long after it was tried again without an error a topic counts as readable."""


def refused_by(error: TopicAuthorizationFailedError) -> set[str]:
    """The full names of the topics that ``error`` is about."""
    return {error.args[0]} if isinstance(error.args[0], str) else set(error.args[0])


class Forbidden:
    """The topics that one engine may not read now; ``clock`` is monotonic."""

    def __init__(self, group: str, *, prefix: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._group = group
        self._prefix = prefix
        self._clock = clock
        self._paused: dict[str, float] = {}
        self._tried: dict[str, float] = {}

    @property
    def topics(self) -> tuple[str, ...]:
        """What may not be read, without the deployment's prefix."""
        return tuple(sorted(topic.removeprefix(self._prefix) for topic in self._paused | self._tried))

    def begin(self) -> None:
        """A new assignment: pauses of the one before are gone (A9)."""
        self._tried |= dict.fromkeys(self._paused, self._clock())
        self._paused.clear()

    def met(self, consumer: AIOKafkaConsumer, error: TopicAuthorizationFailedError) -> None:
        """Kafka refused to let us read what ``error`` names."""
        for topic in sorted(refused_by(error)):
            mine = [tp for tp in consumer.assignment() if tp.topic == topic]
            if mine:
                consumer.pause(*mine)
            is_news = topic not in self._paused and topic not in self._tried
            self._paused[topic] = self._clock()
            self._tried.pop(topic, None)
            if is_news:
                log.error(
                    "topic_forbidden",
                    group=self._group,
                    topic=topic.removeprefix(self._prefix),
                    advice="allow the group's user to read it",
                )
        self._show(consumer)

    def look(self, consumer: AIOKafkaConsumer) -> None:
        """Try again what has been left alone for long; note what can be read again."""
        if not self._paused and not self._tried:
            return
        now = self._clock()
        for topic in [topic for topic, since in self._paused.items() if now - since >= _AGAIN_S]:
            del self._paused[topic]
            self._tried[topic] = now
            consumer.resume(*(tp for tp in consumer.assignment() if tp.topic == topic))
        for topic in [topic for topic, since in self._tried.items() if now - since >= _QUIET_S]:
            del self._tried[topic]
            log.info("topic_allowed", group=self._group, topic=topic.removeprefix(self._prefix))
        self._show(consumer)

    def _show(self, consumer: AIOKafkaConsumer) -> None:
        paused = sum(tp.topic in self._paused for tp in consumer.assignment())
        names.PARTITIONS_PAUSED.labels(self._group, "forbidden").set(paused)
