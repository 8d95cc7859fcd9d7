"""The port to a provider: what is asked of it, within which time limits, and what comes back."""

from dataclasses import dataclass, replace
from typing import Protocol

from llm_worker.prompt import Prompt
from llm_worker.providers.completion import Completion, Failed
from llm_worker.providers.told import NOTHING, Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long each part of a call may take, in seconds."""

    connect_s: float = 5.0
    """Until the connection stands."""
    first_token_s: float = 30.0
    """From the request to the first visible word."""
    between_tokens_s: float = 15.0
    """Between two pieces of the answer: longer, and the generation has stalled."""
    total_s: float = 60.0
    """From the start to the last byte."""

    def within(self, budget_s: float) -> "Timeouts":
        """The same limits, none longer than ``budget_s``."""
        return replace(
            self,
            connect_s=min(self.connect_s, budget_s),
            first_token_s=min(self.first_token_s, budget_s),
            between_tokens_s=min(self.between_tokens_s, budget_s),
            total_s=min(self.total_s, budget_s),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call to be made."""

    prompt: Prompt
    max_tokens: int
    """Longest answer, in tokens."""
    timeouts: Timeouts


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One call that was made."""

    verdict: Completion | Failed
    told: Told = NOTHING
    """What the response said of the provider's limits."""
    sent_after_s: float = 0.0
    """Seconds from the start of the call until the whole request was on the wire."""
    headers_after_s: float = 0.0
    """Seconds from the start of the call until the response's headers were here: ``told`` is of then."""
    seconds: float = 0.0
    """How long it took in all."""


class Provider(Protocol):
    """One model at one provider."""

    async def ask(self, request: Request) -> Result:
        """One call; every way to fail is a ``Failed`` in the result, nothing is raised for it."""
        ...
