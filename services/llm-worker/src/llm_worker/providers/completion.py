"""What a call to the provider came to: a completion, or an outcome with a name."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from llm_worker.providers.told import LimitTold
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
    """The body ends in the middle."""
    COMPRESSED = "compressed"
    """The body is compressed although that was not wanted: what it comes to may be any size."""
    NO_CHOICES = "no_choices"
    """JSON without any choice, or an error inside a 200."""
    NO_CONTENT = "no_content"
    """A choice whose content is null or blank."""
    CUT_OFF = "cut_off"
    """finish_reason ``length`` before the first visible word (reasoning models)."""
    TOOL_CALLS = "tool_calls"
    """It wants a tool called, although none was offered."""
    CONTEXT_TOO_LONG = "context_too_long"
    """The prompt is longer than the model's context."""


class Kind(StrEnum):
    """The classes of failure, each with a next choice of its own in ``llm.yaml``."""

    RATE = "rate"
    """Its limit is used up."""
    SERVER = "server"
    """It failed, answered nonsense, or does not let us in."""
    TIMEOUT = "timeout"
    """It was too slow."""
    CONTEXT = "context"
    """The prompt is too long: asked again shortened, at the same place."""
    REFUSED = "refused"
    """It would not answer this: that is an answer, unless another choice is named."""
    FAULT = "fault"
    """The request itself is wrong: nobody else is asked."""


KINDS: Mapping[Outcome, Kind] = {
    Outcome.THROTTLED: Kind.RATE,
    Outcome.QUOTA_EXHAUSTED: Kind.SERVER,
    Outcome.UNAUTHORIZED: Kind.SERVER,
    Outcome.REFUSED: Kind.FAULT,
    Outcome.TOO_LARGE: Kind.CONTEXT,
    Outcome.REDIRECTED: Kind.SERVER,
    Outcome.CONTENT_REFUSED: Kind.REFUSED,
    Outcome.SERVER_ERROR: Kind.SERVER,
    Outcome.TIMEOUT: Kind.TIMEOUT,
    Outcome.CONNECTION: Kind.SERVER,
    Outcome.NOT_JSON: Kind.SERVER,
    Outcome.TRUNCATED: Kind.SERVER,
    Outcome.COMPRESSED: Kind.SERVER,
    Outcome.NO_CHOICES: Kind.SERVER,
    Outcome.NO_CONTENT: Kind.SERVER,
    Outcome.CUT_OFF: Kind.SERVER,
    Outcome.TOOL_CALLS: Kind.SERVER,
    Outcome.CONTEXT_TOO_LONG: Kind.CONTEXT,
}

TRIPPING = frozenset(
    {
        Outcome.SERVER_ERROR,
        Outcome.TIMEOUT,
        Outcome.CONNECTION,
        Outcome.NOT_JSON,
        Outcome.TRUNCATED,
        Outcome.COMPRESSED,
        Outcome.NO_CHOICES,
    }
)
"""Outcomes that count against a circuit: the server is ill. Never a request's own fault, never a 429."""


ALERTING = frozenset({Outcome.UNAUTHORIZED, Outcome.QUOTA_EXHAUSTED, Outcome.REDIRECTED})
"""Outcomes that every later call shares until an operator acts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of a call."""

    tokens_in: int = 0
    tokens_cached: int = 0
    """Of ``tokens_in``, those that the provider had in its cache."""
    tokens_out: int = 0

    @property
    def tokens(self) -> int:
        """Prompt and answer together."""
        return self.tokens_in + self.tokens_out


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
    tokens_cached: int | None = None
    """Of ``tokens_in``, those that the provider had in its cache."""
    oddities: tuple[str, ...] = ()
    """What was odd and harmless: ``wrong_model``, ``wrong_usage``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A call without an answer: its name, and what the engine is to be told."""

    outcome: Outcome
    failure: Failure
    limits: tuple[LimitTold, ...] = ()
    """Of a 429: the limits that its text names."""
    usage: Usage | None = None
    """What the provider counted although there is nothing to show for it; None: it did not say."""

    @property
    def kind(self) -> Kind:
        """Its class: who, if anybody, is asked next."""
        return KINDS.get(self.outcome, Kind.FAULT)
