"""A dead letter as the console knows it: where it came from, why it failed, what was decided.

    open ──replay claimed──▶ replaying ──published──▶ replayed
     │                           └──refused by Kafka──▶ open
     └──discard──▶ discarded

Beside that, a dead letter may hold its key, see ``Hold``; discarding it releases the key.
A crash leaves ``replaying``; whoever finds its lease over publishes it again (a double is harmless:
effects are idempotent by event id). A replayed record that fails anew is a new dead letter with
``redrive`` one higher.
Rule: each change of state is written in one transaction with the action that made it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from posta.domain.envelope import Headers
from posta.domain.ids import reference_number
from posta.domain.truncation import TRUNCATED


class State(StrEnum):
    """What has been decided about a dead letter."""

    OPEN = "open"
    """Waiting for a decision."""
    REPLAYING = "replaying"
    """Claimed for replay; Kafka has not confirmed it yet."""
    REPLAYED = "replayed"
    """Back with its group; final for this dead letter."""
    DISCARDED = "discarded"
    """Given up for good; final."""


class Action(StrEnum):
    """What an admin can do."""

    REPLAY = "replay"
    DISCARD = "discard"
    RELEASE = "release"
    """Let the records go on that wait behind the dead letter; it stays what it is."""


class Hold(StrEnum):
    """Whether the dead letter keeps later records of its key waiting (ordered retries)."""

    NONE = "none"
    HELD = "held"
    """They wait for a replay that ends well, a discard or a release."""
    RELEASING = "releasing"
    """The release is on its way to Kafka."""
    RELEASED = "released"
    """They go on, or will in a moment: the group has been told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a fetched record of a dead-letter topic says, fit for the database: no NUL, bounded."""

    group: str
    topic: str
    partition: int
    offset: int
    original_topic: str
    original_partition: int
    original_offset: int
    original_time: datetime | None
    event_id: str | None
    event_type: str | None
    error_class: str | None
    reason: str | None
    exception_type: str | None
    exception_message: str | None
    exception_stack: str | None
    fingerprint: str | None
    attempts: int | None
    redrive: int
    first_failure: datetime | None
    last_failure: datetime | None
    service_version: str | None
    trace_id: str | None
    holds_key: bool = False
    """Whether later records of its key waited for it when it died."""

    @property
    def reference(self) -> str:
        """The number that an apology told the person; empty when the event has no id."""
        return reference_number(self.event_id) if self.event_id else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """The record itself, untouched."""

    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def is_truncated(self) -> bool:
        """Whether the original was too large to be kept whole."""
        return any(name == TRUNCATED for name, _ in self.headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One line of a list: metadata only."""

    id: int
    state: State
    indexed_at: datetime
    updated_at: datetime
    reading: Reading
    hold: Hold = Hold.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that was done with a dead letter, by whom and why."""

    action: Action
    actor: str
    reason: str | None
    outcome: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One dead letter with all there is to know about it."""

    summary: Summary
    record: Bytes
    audit: tuple[AuditEntry, ...] = ()
    """Oldest first."""
    others: tuple[Summary, ...] = ()
    """Other dead letters of the same event, oldest first: its history over replays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Dead letters that failed in the same way."""

    fingerprint: str | None
    group: str
    error_class: str | None
    exception_type: str | None
    reason: str | None
    """Of the newest one."""
    count: int
    oldest: datetime
    newest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which dead letters are meant; None: any."""

    group: str | None = None
    error_class: str | None = None
    state: State | None = None
    fingerprint: str | None = None
    event_type: str | None = None
    text: str | None = None
    """Part of the reason, the exception, the event's id or type; or a whole trace id or reference number.
    Case is ignored."""
    holding: bool = False
    """Only open ones that hold their key."""

    @property
    def is_everything(self) -> bool:
        """Whether nothing but the state narrows it down."""
        return not any(
            (self.holding, self.group, self.error_class, self.fingerprint, self.event_type, self.text)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What an admin asked for, for the audit trail."""

    action: Action
    actor: str
    """Name of the API key."""
    reason: str | None = None
    from_scratch: bool = False
    """Of a replay: whether questions are answered anew, which is paid for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """An ``Idempotency-Key`` of one actor, and what it was first used for."""

    actor: str
    key: str
    request_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What became of a request to replay or discard."""

    ids: tuple[int, ...] = ()
    """Those it was done for, ascending."""
    refused: dict[int, str] = field(default_factory=dict)
    """Those it was not done for, and why."""
    missing: tuple[int, ...] = ()
    """Those that do not exist."""
    repeated: bool = False
    """Whether an earlier request with the same ``RequestKey`` had done it."""


class KeyReused(Exception):
    """The ``Idempotency-Key`` was used for a different request before."""


def refusal(state: State, *, action: Action) -> str | None:
    """Why ``action`` cannot be done to a dead letter in ``state``; None when it can.

    A key can be released whatever became of the dead letter: a replay of it may have failed again.
    """
    match state:
        case State.OPEN:
            return None
        case State.DISCARDED | State.REPLAYED if action is Action.RELEASE:
            return None
        case State.REPLAYING:
            return "it is being replayed already"
        case State.REPLAYED:
            return "it was replayed already; if it failed again, that is a new dead letter"
        case State.DISCARDED:
            return "it was discarded"


def hold_of(state: State, *, holds_key: bool, is_due: bool, is_released: bool) -> Hold:
    """Whether a dead letter in ``state`` holds its key; a replayed one leaves that to its replay."""
    if is_due:
        return Hold.RELEASING
    if is_released:
        return Hold.RELEASED
    return Hold.HELD if holds_key and state is State.OPEN else Hold.NONE
