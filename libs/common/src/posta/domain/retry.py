"""What becomes of a record whose handling failed.

    Transient, unexpected ──attempts left──▶ Wait(attempt + 1) ──no attempts left──▶ DeadLetter
    NotNow                ─────────────────▶ Wait(same attempt)
    Permanent, Malformed, Expired ──────────▶ DeadLetter
    any Wait that would end after the deadline ─▶ DeadLetter(expired), at once

``Unavailable`` never comes here: the engine pauses intake instead (see ``posta.engine``).
Rule: the decision is a value; the engine alone carries it out.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from posta.domain.backoff import Backoff, FullJitter
from posta.errors import Expired, NotNow, Permanent, Transient


class ErrorClass(StrEnum):
    """Why a record failed, as its headers, metrics and the dead-letter console name it."""

    TRANSIENT = "transient"
    """The last of several attempts failed on something that may pass."""
    PERMANENT = "permanent"
    """No attempt can succeed."""
    EXPIRED = "expired"
    """Its deadline passed, or would have passed before it was due again."""
    THROTTLED = "throttled"
    """Capacity was missing."""
    UNEXPECTED = "unexpected"
    """The handler raised something Posta does not know: a defect, until shown otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long apart a group retries; its lanes are declared in ``posta.topics``."""

    max_attempts: int | None = 6
    """Attempts in all, the first included; None: for ever."""
    backoff: Backoff = field(default_factory=FullJitter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Handle the record again, not before ``not_before``, as attempt ``attempt``."""

    not_before: float
    """Seconds since the epoch."""
    attempt: int
    error_class: ErrorClass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """Give the record up."""

    error_class: ErrorClass
    reason: str


def classify(error: BaseException) -> ErrorClass:
    """The class of an error that a handler raised."""
    match error:
        case Permanent():
            return ErrorClass.PERMANENT
        case Expired():
            return ErrorClass.EXPIRED
        case NotNow():
            return ErrorClass.THROTTLED
        case Transient():
            return ErrorClass.TRANSIENT
        case _:
            return ErrorClass.UNEXPECTED


def decide(
    policy: RetryPolicy,
    error: BaseException,
    *,
    attempt: int,
    now: float,
    deadline: float | None,
    jitter: float,
) -> Wait | DeadLetter:
    """What to do after attempt number ``attempt`` (1 for the first) ended in ``error``.

    ``now`` and ``deadline`` are seconds since the epoch, ``jitter`` lies in [0, 1).
    """
    error_class = classify(error)
    match error:
        case Permanent() | Expired():
            return DeadLetter(error_class=error_class, reason=str(error))
        case NotNow():
            wait_s, next_attempt = error.wait_s, attempt
        case _:
            if policy.max_attempts is not None and attempt >= policy.max_attempts:
                return DeadLetter(
                    error_class=error_class,
                    reason=f"attempt {attempt} of {policy.max_attempts} failed: {error}",
                )
            asked = error.retry_after_s if isinstance(error, Transient) else None
            wait_s = max(asked or 0.0, policy.backoff.delay_s(attempt, jitter))
            next_attempt = attempt + 1
    not_before = now + max(0.0, wait_s)
    if deadline is not None and not_before >= deadline:
        return DeadLetter(
            error_class=ErrorClass.EXPIRED,
            reason=f"could be tried again only after its deadline; the last error was: {error}",
        )
    return Wait(not_before=not_before, attempt=next_attempt, error_class=error_class)
