"""Reads a record of a dead-letter topic into its index entry; total: no bytes whatever can stop it.

What cannot be understood is left out, what is too long is cut, and U+0000, which PostgreSQL's text
cannot hold, becomes U+FFFD. The exact bytes are stored beside it.
"""

import re
from datetime import UTC, datetime, timedelta

from dlq_admin.dead_letter import Reading
from posta.domain.envelope import Headers, header
from posta.domain.failure import read_delivery
from posta.domain.redaction import redact
from posta.engine.message import RawRecord
from posta.topics import GROUPS

_INT4_MAX = 2**31 - 1
_INT8_MAX = 2**63 - 1
_NAME_CHARS = 500
"""Bounds what is indexed: an entry of a PostgreSQL B-tree may have 2704 bytes, a character up to 4."""
_TEXT_CHARS = 2000
_STACK_CHARS = 8000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = 253_402_300_799_000
"""The last second of the year 9999, where ``datetime`` ends."""
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?", re.ASCII)
_GROUP_OF = {group.dlq.name: group.name for group in GROUPS if group.lane_delays_s}


def read_record(record: RawRecord) -> Reading:
    """What the record's headers say, failing group first: the topic names it, no header can lie about it."""
    headers = record.headers
    delivery = read_delivery(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp_ms,
        headers=headers,
    )
    origin = delivery.origin
    return Reading(
        group=_GROUP_OF.get(record.topic, record.topic.removesuffix(".dlq")),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        original_topic=_fit(origin.topic, _NAME_CHARS),
        original_partition=_within(origin.partition, _INT4_MAX),
        original_offset=_within(origin.offset, _INT8_MAX),
        original_time=_moment(origin.timestamp_ms),
        event_id=_text(headers, "ce_id", _NAME_CHARS),
        event_type=_text(headers, "ce_type", _NAME_CHARS),
        error_class=_text(headers, "posta-error-class", _NAME_CHARS),
        reason=_text(headers, "posta-reason", _TEXT_CHARS),
        exception_type=_text(headers, "posta-exception-type", _NAME_CHARS),
        exception_message=_text(headers, "posta-exception-message", _TEXT_CHARS),
        exception_stack=_text(headers, "posta-exception-stack", _STACK_CHARS),
        fingerprint=_text(headers, "posta-fingerprint", _NAME_CHARS),
        attempts=_within(delivery.attempt, _INT4_MAX),
        redrive=_within(delivery.redrive, _INT4_MAX),
        first_failure=_moment(delivery.first_failure_ms),
        last_failure=_moment(delivery.last_failure_ms),
        service_version=_text(headers, "posta-service-version", _NAME_CHARS),
        trace_id=trace_id_of(headers),
        holds_key=header(headers, "posta-holds-key") is not None,
    )


def trace_id_of(headers: Headers) -> str | None:
    """The trace id of the last ``traceparent`` (W3C Trace Context §3.2), 32 hex digits, if it is valid."""
    found = _TRACEPARENT.fullmatch(header(headers, "traceparent") or "")
    if found is None or set(found[1]) == {"0"}:
        return None
    return found[1]


def _text(headers: Headers, name: str, most: int) -> str | None:
    text = header(headers, name)
    return _fit(text, most) if text else None


def _fit(text: str, most: int) -> str:
    # Cut before and after: redaction may lengthen, and need not look at megabytes.
    return redact(text[: most * 2]).replace("\x00", "\ufffd")[:most]


def _within(number: int, most: int) -> int:
    return min(max(number, 0), most)


def _moment(milliseconds: int | None) -> datetime | None:
    if milliseconds is None or not 0 <= milliseconds <= _LATEST_MS:
        return None
    return _EPOCH + timedelta(milliseconds=milliseconds)
