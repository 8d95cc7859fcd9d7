"""How urgent a delivery is: an answer by its token's end, an event by its priority and its age.

Pure. Both are times, so nothing starves: an event of low priority goes before one of high priority
that was published ``LOW_LATER_S`` after it, or more.
"""

import json
from datetime import datetime
from typing import Any

from posta.domain.envelope import header
from posta.domain.payloads import EventPublished
from posta.domain.rank import Rank
from posta.engine.message import RawRecord
from posta.topics import EVENTS_PUBLISHED

NORMAL_LATER_S = 300.0
LOW_LATER_S = 1800.0
_LATER_S = {"high": 0.0, "normal": NORMAL_LATER_S, "low": LOW_LATER_S}
NO_DEADLINE_S = 900.0
"""What has no deadline takes its turn among answers as if it had as long as they have."""


def rank_of(record: RawRecord) -> Rank:
    """The rank of a record of ``replies.ready``, ``events.published`` or one of the lanes.

    Answers of one conversation keep their order, and so do events of one thread.
    """
    came_at = record.timestamp_ms / 1000
    deadline = _deadline(record)
    turn = came_at + NO_DEADLINE_S if deadline is None else deadline
    if header(record.headers, "ce_type") != EventPublished.TYPE:
        return Rank(turn=turn)
    body = _body(record.value)
    later_s = _LATER_S.get(str(body.get("priority")), NORMAL_LATER_S)
    thread = body.get("thread_key")
    return Rank(
        due=came_at + later_s,
        # Destinations take turns, so that one with much to be sent holds no other up.
        turn=0.0 if record.topic == EVENTS_PUBLISHED.name else turn,
        within=(str(body.get("publisher")), str(thread)) if thread else None,
    )


def _deadline(record: RawRecord) -> float | None:
    text = header(record.headers, "ce_expirytime")
    try:
        return None if text is None else datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _body(value: bytes | None) -> dict[str, Any]:
    """What the record says; nothing when it cannot be read, and then its handling finds out why."""
    try:
        body = json.loads(value or b"")
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
