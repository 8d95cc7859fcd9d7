"""What tells one provider's API from another's: the request's form, and how its response is read.

A form is pure: ``providers.http`` does the talking for all of them. Every response is brought into the
shape of OpenAI's chat completions, so that one verdict judges them all.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Protocol

from llm_worker.providers.port import Request
from llm_worker.providers.sse import ServerSentEvent


class Progress(Enum):
    """What an event of a stream brought."""

    NOTHING = "nothing"
    """Bookkeeping, or a sign of life."""
    TOKEN = "token"  # noqa: S105 - a piece of text, no credential
    """A piece of the answer, thought or visible."""
    END = "end"
    """The answer is whole, or the provider said why it will not be."""


class Gathering(Protocol):
    """A streamed answer on its way to being whole."""

    def feed(self, event: ServerSentEvent) -> Progress:
        """Take the next event in."""
        ...

    @property
    def body(self) -> dict[str, Any]:
        """What was gathered, in the shape of a chat completion, or ``{"error": …}``."""
        ...

    @property
    def words(self) -> int:
        """Characters of the visible answer so far."""
        ...


class ApiForm(Protocol):
    """One kind of API."""

    @property
    def path(self) -> str:
        """Behind the base URL."""
        ...

    @property
    def provider_name(self) -> str:
        """As OpenTelemetry's ``gen_ai.provider.name`` wants it."""
        ...

    def headers(self, key: str) -> dict[str, str]:
        """What authenticates and versions a request; ``key`` may be empty."""
        ...

    def request_body(self, request: Request, *, model: str, stream: bool) -> dict[str, Any]:
        """The request's JSON."""
        ...

    def as_chat_completion(self, body: Any) -> Any:
        """A whole response's JSON in the shape of a chat completion; what cannot be read stays as it is."""
        ...

    def gathering(self) -> Gathering:
        """A new, empty answer to be streamed into."""
        ...


def error_status(error: Mapping[str, Any]) -> int:
    """The HTTP status that an error inside a 200 stream would have had."""
    named = f"{error.get('code') or ''} {error.get('type') or ''}"
    if "rate_limit" in named:
        return 429
    if "context_length" in named or "invalid_request" in named:
        return 400
    return 500
