"""What is published to the shortest retry lane of the group that failed: a replay, or a key's release.

Only that group reads its lane, so nobody else sees the event twice. A replay is the original, which
starts anew: attempt 1, due at once, one redrive more; its origin and its trace context stay. A release
is an empty record with the key and the origin of the dead letter that holds it.
"""

from dataclasses import replace

from dlq_admin.dead_letter import Bytes, Reading
from dlq_admin.originals import Found
from posta.domain.envelope import Headers, Wire
from posta.domain.failure import (
    FROM_SCRATCH,
    Delivery,
    delivery_headers,
    read_delivery,
    with_headers,
)
from posta.errors import Permanent
from posta.kafka.producer import NULL_VALUE_HEADER
from posta.topics import GROUPS, LLM_WORKER, lane_topic

_WHY_NOT = {
    Found.GONE: (
        "the dead letter does not hold the whole original record, and Kafka does not keep it any more: "
        "send the event again from its source, then discard this"
    ),
    Found.ANOTHER: (
        "the dead letter does not hold the whole original record, and at its place in Kafka is another one "
        "(size or SHA-256 differ): send the event again from its source, then discard this"
    ),
}
_SHORTEST_LANE_S = {group.name: group.lane_delays_s[0] for group in GROUPS if group.lane_delays_s}


class NotReplayable(Permanent):
    """The dead letter cannot be replayed, now or later; the message says why."""


def is_a_question(group: str) -> bool:
    """Whether a model is asked for the records of ``group``."""
    return group == LLM_WORKER.name


def replay_topic(group: str) -> str:
    """The group's shortest retry lane. Raises ``NotReplayable`` for a group that is none any more."""
    delay_s = _SHORTEST_LANE_S.get(group)
    if delay_s is None:
        raise NotReplayable(f"no consumer group {group!r:.100} takes retries")
    return lane_topic(group, delay_s)


def why_not(found: Found) -> str | None:
    """Why a truncated one whose original was so ``found`` cannot be replayed; None: it can, now or later."""
    return _WHY_NOT.get(found)


def release_wire(reading: Reading, record: Bytes) -> Wire:
    """The word that the dead letter holds its key no longer. Raises ``NotReplayable`` where it holds none."""
    if record.key is None:
        raise NotReplayable("a record without a key holds none")
    anew = replace(
        _delivery(reading, record), attempt=1, not_before=0.0, lane_due=0.0, release=True, previous_span=None
    )
    return Wire(key=record.key, value=b"", headers=with_headers((), delivery_headers(anew)))


def replay_wire(
    reading: Reading,
    record: Bytes,
    *,
    whole: Bytes | None = None,
    replayed_by: str | None = None,
    scratch: str | None = None,
) -> Wire:
    """The original key and value, its own headers, and those of a first attempt.

    They are those of ``whole``, where the dead letter is truncated. The attempt is linked to the span
    ``replayed_by``, or else to the last attempt before. ``scratch`` names a replay that wants its question
    answered anew; another replay's wish does not come along.
    """
    if record.is_truncated and whole is None:
        raise NotReplayable(_WHY_NOT[Found.GONE])
    delivery = _delivery(reading, record)
    record = whole or record
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
        headers=with_headers(_wishing(record.headers, scratch), delivery_headers(anew)),
    )


def _delivery(reading: Reading, record: Bytes) -> Delivery:
    return read_delivery(
        topic=reading.topic,
        partition=reading.partition,
        offset=reading.offset,
        timestamp_ms=0,
        headers=record.headers,
    )


def _wishing(headers: Headers, scratch: str | None) -> Headers:
    others = tuple((name, value) for name, value in headers if name != FROM_SCRATCH)
    return others if scratch is None else (*others, (FROM_SCRATCH, scratch.encode()))
