"""Shares partitions out by range; static members also say who they are and what a share is based on.

    member ──"I am <instance id>, process <mark>"──▶ leader
    member ◀──"your share; <instance id> made it and knew of so many partitions"── leader

Kafka passes both on unread. Without them a static member that was started again could not know that it
leads the group (aiokafka joins as clients did before KIP-814), and so nobody would notice added partitions;
and a member whose place was taken could not tell another process from a late join of its own.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocol,
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)


@dataclass(frozen=True, slots=True)
class Process:
    """Who a static member is."""

    instance_id: str
    started: int
    """Nanoseconds since the epoch, by its own machine's clock."""
    mark: str
    """Of one process and never the same again."""

    def succeeds(self, other: "Process") -> bool:
        """Whether it is the later one of two; they agree on that, whatever their clocks say."""
        return (self.started, self.mark) > (other.started, other.mark)


# aiokafka has no types, and has these methods on the class: there an assignor remembers nothing
class Assignor(RangePartitionAssignor):  # type: ignore[misc]
    """The assignor of one engine; as ``process`` a static member, otherwise nothing but ranges."""

    def __init__(self, process: Process | None = None) -> None:
        self._process = process
        self._leader: str | None = None
        self._known: dict[str, int] = {}
        """Partitions by topic, as the leader knew of them when it made our share."""

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What a member says of itself as it joins."""
        said = b""
        if self._process is not None:
            said = _encode(asdict(self._process))
        return ConsumerProtocolMemberMetadata(self.version, list(topics), said)

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """As the leader: everybody's share."""
        shares: dict[str, ConsumerProtocolMemberAssignment] = RangePartitionAssignor.assign(cluster, members)
        if self._process is None:
            return shares
        topics = sorted({topic for member in members.values() for topic in member.subscription})
        known = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        said = _encode({"leader": self._process.instance_id, "partitions": known})
        return {
            member: ConsumerProtocolMemberAssignment(share.version, share.assignment, said)
            for member, share in shares.items()
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Our share is there."""
        said = _decode(assignment.user_data)
        self._leader = said.get("leader")
        self._known = said.get("partitions", {})

    def outdated(self, consumer: AIOKafkaConsumer) -> dict[str, int]:
        """Partitions by topic, of the topics that changed since we, the leader, shared them out.

        Told once for each assignment. Only the leader's joining again begins a round, so nobody else has to.
        """
        if self._process is None or self._leader != self._process.instance_id:
            return {}
        now = {topic: len(consumer.partitions_for_topic(topic) or ()) for topic in self._known}
        changed = {topic: count for topic, count in now.items() if count and count != self._known[topic]}
        if changed:
            self._leader = None
        return changed


def process_of(metadata: bytes) -> Process | None:
    """Which process a member is, by the metadata it joined with; None: it does not say."""
    if not metadata:
        return None
    said = _decode(ConsumerProtocol.METADATA.decode(metadata).user_data)
    try:
        return Process(**said)
    except TypeError:
        return None


def _encode(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode()


def _decode(said: bytes | None) -> dict[str, Any]:
    """Nothing where an earlier version, or another client, says something else or nothing."""
    try:
        found = json.loads(said or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
