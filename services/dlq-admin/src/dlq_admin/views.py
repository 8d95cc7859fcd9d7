"""Dead letters as the API answers with them: JSON objects, masked."""

from datetime import datetime
from typing import Any

from dlq_admin.dead_letter import Alike, DeadLetter, Decided, Summary
from dlq_admin.originals import Whole, pointer_of
from dlq_admin.shown import Reveal, Shown, show_bytes, show_headers, show_text


def summary_view(summary: Summary) -> dict[str, Any]:
    """Metadata only, addresses reduced."""
    reading = summary.reading
    return {
        "id": summary.id,
        "state": summary.state.value,
        "group": reading.group,
        "class": _shown(reading.error_class),
        "reason": _shown(reading.reason),
        "exception_type": _shown(reading.exception_type),
        "fingerprint": _shown(reading.fingerprint),
        "event_id": _shown(reading.event_id),
        "reference": reading.reference or None,
        "type": _shown(reading.event_type),
        "attempts": reading.attempts,
        "redrive": reading.redrive,
        "key_hold": summary.hold.value,
        "trace_id": reading.trace_id,
        "original": {
            "topic": _shown(reading.original_topic),
            "partition": reading.original_partition,
            "offset": reading.original_offset,
            "timestamp": _time(reading.original_time),
        },
        "dead_letter": {"topic": reading.topic, "partition": reading.partition, "offset": reading.offset},
        "first_failure": _time(reading.first_failure),
        "last_failure": _time(reading.last_failure),
        "indexed_at": _time(summary.indexed_at),
        "updated_at": _time(summary.updated_at),
    }


def dead_letter_view(
    dead_letter: DeadLetter, *, reveal: Reveal, whole: Whole | None = None
) -> dict[str, Any]:
    """Everything: the record masked, the stack, the audit trail and the event's other dead letters.

    ``whole`` is what became of the original of a truncated one.
    """
    reading, record = dead_letter.summary.reading, dead_letter.record
    return {
        **summary_view(dead_letter.summary),
        "exception_message": _shown(reading.exception_message),
        "exception_stack": _shown(reading.exception_stack),
        "service_version": _shown(reading.service_version),
        "key": _bytes_view(show_bytes(record.key, reveal=reveal)),
        "payload": _bytes_view(show_bytes(record.value, reveal=reveal)),
        "headers": [list(pair) for pair in show_headers(record.headers, reveal=reveal)],
        "truncated": record.is_truncated,
        "original_record": None if whole is None else _original_view(dead_letter, whole),
        "audit": [
            {
                "action": entry.action.value,
                "actor": entry.actor,
                "reason": entry.reason,
                "outcome": entry.outcome,
                "at": _time(entry.at),
            }
            for entry in dead_letter.audit
        ],
        "history": [summary_view(other) for other in dead_letter.others],
    }


def _original_view(dead_letter: DeadLetter, whole: Whole) -> dict[str, Any]:
    """Where the whole record of a truncated one is, how to tell that it is the one, and if it is there."""
    reading, record = dead_letter.summary.reading, dead_letter.record
    pointer = pointer_of(reading, record)
    return {
        "found": whole.found.value,
        "topic": _shown(reading.original_topic),
        "partition": reading.original_partition,
        "offset": reading.original_offset,
        "bytes": None if pointer is None else pointer.size,
        "sha256": None if pointer is None else _shown(pointer.sha256),
        "kept_bytes": len(record.value or b""),
    }


def alike_view(alike: Alike) -> dict[str, Any]:
    """One group of equal failures."""
    return {
        "fingerprint": _shown(alike.fingerprint),
        "group": alike.group,
        "class": _shown(alike.error_class),
        "exception_type": _shown(alike.exception_type),
        "reason": _shown(alike.reason),
        "count": alike.count,
        "oldest": _time(alike.oldest),
        "newest": _time(alike.newest),
    }


def decided_view(decided: Decided) -> dict[str, Any]:
    """What became of a request for many."""
    missing = [{"id": number, "why": "there is no such dead letter"} for number in decided.missing]
    return {
        "accepted": len(decided.ids),
        "ids": list(decided.ids),
        "refused": [{"id": number, "why": why} for number, why in decided.refused.items()] + missing,
        "repeated": decided.repeated,
    }


def _bytes_view(shown: Shown) -> dict[str, Any]:
    return {"form": shown.form.value, "text": shown.text, "bytes": shown.size_bytes, "cut": shown.is_cut}


def _shown(text: str | None) -> str | None:
    return None if text is None else show_text(text)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
