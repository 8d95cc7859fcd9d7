"""Rows of the dead-letter tables to what the console knows, and back."""

import asyncpg

from dlq_admin.dead_letter import Action, AuditEntry, Bytes, Reading, State, Summary, hold_of
from dlq_admin.stored_headers import load_headers


def columns_of(reading: Reading) -> tuple[object, ...]:
    """The reading's values in the order of ``queries.ADD``."""
    return (
        reading.group,
        reading.topic,
        reading.partition,
        reading.offset,
        reading.original_topic,
        reading.original_partition,
        reading.original_offset,
        reading.original_time,
        reading.event_id,
        reading.event_type,
        reading.error_class,
        reading.reason,
        reading.exception_type,
        reading.exception_message,
        reading.exception_stack,
        reading.fingerprint,
        reading.attempts,
        reading.redrive,
        reading.first_failure,
        reading.last_failure,
        reading.service_version,
        reading.trace_id,
        reading.holds_key,
    )


def reading_of(row: asyncpg.Record) -> Reading:
    """What the row says of the record's headers."""
    return Reading(
        group=row["consumer_group"],
        topic=row["dlq_topic"],
        partition=row["dlq_partition"],
        offset=row["dlq_offset"],
        original_topic=row["original_topic"],
        original_partition=row["original_partition"],
        original_offset=row["original_offset"],
        original_time=row["original_timestamp"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        error_class=row["error_class"],
        reason=row["reason"],
        exception_type=row["exception_type"],
        exception_message=row["exception_message"],
        exception_stack=row["exception_stack"],
        fingerprint=row["fingerprint"],
        attempts=row["attempts"],
        redrive=row["redrive"],
        first_failure=row["first_failure"],
        last_failure=row["last_failure"],
        service_version=row["service_version"],
        trace_id=row["trace_id"],
        holds_key=row["holds_key"],
    )


def summary_of(row: asyncpg.Record) -> Summary:
    """The row's metadata."""
    state = State(row["state"])
    return Summary(
        id=row["id"],
        state=state,
        indexed_at=row["indexed_at"],
        updated_at=row["updated_at"],
        reading=reading_of(row),
        hold=hold_of(
            state,
            holds_key=row["holds_key"],
            is_due=row["release_due"] is not None,
            is_released=row["released_at"] is not None,
        ),
    )


def record_of(row: asyncpg.Record) -> Bytes:
    """The record itself."""
    return Bytes(
        key=row["record_key"], value=row["record_value"], headers=load_headers(row["record_headers"])
    )


def audit_entry_of(row: asyncpg.Record) -> AuditEntry:
    """One row of the audit trail."""
    return AuditEntry(
        action=Action(row["action"]),
        actor=row["actor"],
        reason=row["reason"],
        outcome=row["outcome"],
        at=row["at"],
    )
