"""What a response says of the provider's limits: how much is allowed, how much is left, until when.

    Groq        x-ratelimit-…-requests speaks of the day, …-tokens of the minute
    OpenAI      both speak of the minute; resets are Go durations (``6m0s``)
    Anthropic   anthropic-ratelimit-…; resets are RFC 3339 times

No provider's headers tell its requests per minute at Groq: there the text of a 429 does
(``on requests per minute (RPM): Limit 30, Used 30``). What cannot be read says nothing; Azure's -1 too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from llm_worker.providers.durations import parse_duration_s

_COUNT = re.compile(r"[0-9]{1,12}")
_IN_MESSAGE = re.compile(r"\((RPM|TPM|RPD|TPD)\): Limit ([0-9]{1,12})\b")


class Form(StrEnum):
    """Whose headers they are."""

    GROQ = "groq"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitTold:
    """One limit, as far as it was told."""

    window: str
    """``rpm``, ``tpm``, ``rpd`` or ``tpd``."""
    limit: int
    remaining: int | None = None
    reset_s: float | None = None
    """Seconds until it is whole again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """All that one response told of limits."""

    limits: tuple[LimitTold, ...] = ()
    retry_after_s: float | None = None
    """Of a 429, or of another failure that said so: until then every call would fail."""
    is_refusal: bool = True
    """Whether a 429 said when; from a 503 nothing can be inferred about a limit."""
    age_s: float = 0.0
    """How long ago the response began: what it says is of that moment, and a long answer ends much later."""
    took_s: float = 0.0
    """From the request to the response: at some moment in between the provider counted."""

    def __bool__(self) -> bool:
        """Whether it told anything."""
        return bool(self.limits) or self.retry_after_s is not None


NOTHING = Told()


def form_of(headers: Mapping[str, str], assumed: Form) -> Form:
    """Whose headers they are: Groq's say so, also behind another address; else what is ``assumed``."""
    return Form.GROQ if "x-groq-region" in headers and assumed is Form.OPENAI else assumed


def limits_told(headers: Mapping[str, str], form: Form, *, now: float) -> tuple[LimitTold, ...]:
    """The limits in ``headers`` (case-insensitive or lower-case names); ``now`` in epoch seconds."""
    match form:
        case Form.GROQ:
            windows = {"requests": "rpd", "tokens": "tpm"}
        case Form.OPENAI | Form.ANTHROPIC:
            windows = {"requests": "rpm", "tokens": "tpm"}
    told = (_one(headers, form, kind, window, now) for kind, window in windows.items())
    return tuple(one for one in told if one is not None)


def limits_in_message(message: str) -> tuple[LimitTold, ...]:
    """The limits that the text of a 429 names."""
    return tuple(
        LimitTold(window=name.lower(), limit=int(number)) for name, number in _IN_MESSAGE.findall(message)
    )


def _one(headers: Mapping[str, str], form: Form, kind: str, window: str, now: float) -> LimitTold | None:
    def read(what: str) -> str:
        name = (
            f"anthropic-ratelimit-{kind}-{what}" if form is Form.ANTHROPIC else f"x-ratelimit-{what}-{kind}"
        )
        return headers.get(name, "").strip()

    limit = _count(read("limit"))
    if not limit:
        return None
    return LimitTold(
        window=window, limit=limit, remaining=_count(read("remaining")), reset_s=_reset_s(read("reset"), now)
    )


def _count(text: str) -> int | None:
    return int(text) if _COUNT.fullmatch(text) else None


def _reset_s(text: str, now: float) -> float | None:
    seconds = parse_duration_s(text)
    if seconds is not None or not text:
        return seconds
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)
