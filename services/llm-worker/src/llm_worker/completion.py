"""What a call to the provider came to: a completion, or an outcome with a name."""

from dataclasses import dataclass
from enum import StrEnum

from posta.errors import Failure


class Outcome(StrEnum):
    """How a call ended, as metrics, spans and logs name it."""

    OK = "ok"
    """It answered."""
    THROTTLED = "throttled"
    """429: over the rate limit; wait as told."""
    QUOTA_EXHAUSTED = "quota_exhausted"
    """429 that no waiting cures: the account is out of credit. Alerts."""
    UNAUTHORIZED = "unauthorized"
    """401 or 403: the key or its rights are wrong. Alerts."""
    REFUSED = "refused"
    """400, 404, 422 or another 4xx: the request is wrong and stays wrong."""
    TOO_LARGE = "too_large"
    """413, or 429 "request too large": larger than the model or the limit ever takes."""
    REDIRECTED = "redirected"
    """3xx: the base URL is not the API's own."""
    CONTENT_REFUSED = "content_refused"
    """The model or its filter would not answer this."""
    SERVER_ERROR = "server_error"
    """408, 409, 498 or 5xx."""
    TIMEOUT = "timeout"
    """No answer in time; it may be billed all the same."""
    CANCELLED = "cancelled"
    """We stopped waiting: the worker drains, or its partition went to another."""
    CONNECTION = "connection"
    """It could not be reached, or the connection broke."""
    NOT_JSON = "not_json"
    """Something else answered, such as a proxy's HTML page."""
    TRUNCATED = "truncated"
    """The body ends, or cannot be decoded, in the middle."""
    NO_CHOICES = "no_choices"
    """JSON without any choice, or an error inside a 200."""
    NO_CONTENT = "no_content"
    """A choice whose content is null or blank."""
    CUT_OFF = "cut_off"
    """finish_reason ``length`` before the first visible word (reasoning models)."""


ALERTING = frozenset({Outcome.UNAUTHORIZED, Outcome.QUOTA_EXHAUSTED, Outcome.REDIRECTED})
"""Outcomes that every later call shares until an operator acts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """An answer as the provider gave it."""

    text: str
    model: str
    finish_reason: str = "stop"
    response_id: str = ""
    tokens_in: int | None = None
    """Prompt tokens the provider counted; None when it did not say."""
    tokens_out: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A call without an answer: its name, and what the engine is to be told."""

    outcome: Outcome
    failure: Failure
