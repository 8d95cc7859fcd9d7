"""The record that a replay publishes: the original, on the shortest retry lane of the group that failed.

Only that group reads its lane, so nobody else sees the event twice. The record starts anew: attempt
1, due at once, one redrive more; its origin and its trace context stay.
"""

from dataclasses import replace

from dlq_admin.dead_letter import Bytes, Reading
from posta.domain.envelope import Wire
from posta.domain.failure import delivery_headers, read_delivery, with_headers
from posta.errors import Permanent
from posta.kafka.producer import NULL_VALUE_HEADER
from posta.topics import GROUPS, lane_topic

_SHORTEST_LANE_S = {group.name: group.lane_delays_s[0] for group in GROUPS if group.lane_delays_s}


class NotReplayable(Permanent):
    """The dead letter cannot be replayed, now or later; the message says why."""


def replay_topic(group: str) -> str:
    """The group's shortest retry lane. Raises ``NotReplayable`` for a group that is none any more."""
    delay_s = _SHORTEST_LANE_S.get(group)
    if delay_s is None:
        raise NotReplayable(f"no consumer group {group!r:.100} takes retries")
    return lane_topic(group, delay_s)


def replay_wire(reading: Reading, record: Bytes, *, replayed_by: str | None = None) -> Wire:
    """The original key and value, its own headers, and those of a first attempt.

    That attempt is linked to the span ``replayed_by``, or else to the last attempt before.
    """
    if record.is_truncated:
        raise NotReplayable("the dead letter does not hold the whole original record")
    delivery = read_delivery(
        topic=reading.topic,
        partition=reading.partition,
        offset=reading.offset,
        timestamp_ms=0,
        headers=record.headers,
    )
    anew = replace(
        delivery,
        attempt=1,
        first_failure_ms=None,
        last_failure_ms=None,
        not_before=0.0,
        lane_due=0.0,
        redrive=delivery.redrive + 1,
        previous_span=replayed_by or delivery.previous_span,
    )
    # The producer writes a record with neither key nor value as an empty value with this mark.
    is_null = record.key is None and any(name == NULL_VALUE_HEADER for name, _ in record.headers)
    return Wire(
        key=record.key,
        value=None if is_null else record.value,
        headers=with_headers(record.headers, delivery_headers(anew)),
    )
