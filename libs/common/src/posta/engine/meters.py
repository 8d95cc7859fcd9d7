"""The engine's metrics of one topic, with their labels bound once: that costs more than counting does."""

from functools import cache

from posta.telemetry import names


class TopicMeters:
    """What is counted for each record that a group reads from a topic."""

    def __init__(self, group: str, topic: str) -> None:
        self._labels = group, topic
        self.process_seconds = names.PROCESS_SECONDS.labels(group, topic)
        self.age_seconds = names.MESSAGE_AGE.labels(group)
        self.in_flight = names.IN_FLIGHT.labels(group)
        self._outcomes = {"ok": names.PROCESSED.labels(group, topic, "ok")}

    def ended(self, outcome: str) -> None:
        """Count one handling by how it ended."""
        counter = self._outcomes.get(outcome)
        if counter is None:
            counter = self._outcomes[outcome] = names.PROCESSED.labels(*self._labels, outcome)
        counter.inc()


@cache
def meters_of(group: str, topic: str) -> TopicMeters:
    """The meters of a topic, the same object each time."""
    return TopicMeters(group, topic)
