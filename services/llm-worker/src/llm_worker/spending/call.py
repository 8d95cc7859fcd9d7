"""One call as the books of money see it: reserved at its most, then what it came to. PURE.

Call(most) ──reserved before it is made──▶ begun ──▶ Ended(usage, cost): used, or paid for in vain
                                              └─ its worker died ──▶ lost: what was reserved stays spent
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from llm_worker.asking.estimate import most_tokens
from llm_worker.providers.completion import Completion, Outcome, Usage
from llm_worker.providers.port import Result
from llm_worker.providers.rules import PriceRules

_MILLION = Decimal(1_000_000)
NOT_MADE = "not_made"
"""The outcome of a call that was reserved for and never begun."""
_NEVER_BILLED = frozenset(
    {
        Outcome.THROTTLED,
        Outcome.QUOTA_EXHAUSTED,
        Outcome.UNAUTHORIZED,
        Outcome.REFUSED,
        Outcome.TOO_LARGE,
        Outcome.REDIRECTED,
        Outcome.SERVER_ERROR,
        Outcome.CONTEXT_TOO_LONG,
    }
)
"""Outcomes that no provider charges: no token was written. Of all others the most is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a tenant may spend on a day, and whose midnight ends it."""

    cost: Decimal | None = None
    tokens: int | None = None
    warn_at: float = 0.8
    time_zone: str = "UTC"

    @property
    def warnings(self) -> tuple[Decimal | None, int | None]:
        """Cost and tokens at which the operator is warned."""
        cost = None if self.cost is None else self.cost * Decimal(str(self.warn_at))
        return cost, None if self.tokens is None else math.ceil(self.tokens * self.warn_at)


NO_LIMIT = Limit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that is about to be made."""

    id: UUID
    event_id: str
    conversation: str
    tenant: str
    provider: str
    model: str
    """Its name in ``llm.yaml``."""
    price: PriceRules
    most: Usage
    """The most that it can come to."""
    limit: Limit = NO_LIMIT

    @property
    def most_cost(self) -> Decimal:
        """What is reserved for it."""
        return cost_of(self.most, self.price)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a call came to."""

    call: Call
    outcome: str
    usage: Usage
    is_estimated: bool
    """Whether the provider did not say: what was reserved, or what the text suggests."""

    @property
    def cost(self) -> Decimal:
        """In the price's currency."""
        return cost_of(self.usage, self.call.price)


@dataclass(slots=True)
class Tab:
    """What a question's calls came to, until that is written down."""

    under_way: dict[UUID, Call] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    used: UUID | None = None
    """The call whose answer is given; all others were paid for in vain."""

    def begin(self, call: Call) -> None:
        """It is reserved for."""
        self.under_way[call.id] = call

    def end(self, ended: Ended) -> None:
        """It is over."""
        self.under_way.pop(ended.call.id, None)
        self.ended.append(ended)

    def close(self) -> tuple[Ended, ...]:
        """What all calls came to; those reserved for that never began came to nothing."""
        for call in tuple(self.under_way.values()):
            self.end(Ended(call=call, outcome=NOT_MADE, usage=Usage(), is_estimated=False))
        return tuple(self.ended)

    def clear(self, written: Iterable[Ended]) -> None:
        """These are written down."""
        done = {one.call.id for one in written}
        self.ended = [one for one in self.ended if one.call.id not in done]


def cost_of(usage: Usage, price: PriceRules) -> Decimal:
    """What so many tokens cost; prices are of a million."""
    cached_price = price.input if price.cached_input is None else price.cached_input
    fresh = usage.tokens_in - usage.tokens_cached
    return (
        fresh * price.input + usage.tokens_cached * cached_price + usage.tokens_out * price.output
    ) / _MILLION


def ended(call: Call, result: Result | None) -> Ended:
    """What a call came to; without a result it was cut off by us, and may be billed all the same."""
    if result is None:
        return Ended(call=call, outcome=Outcome.CANCELLED.value, usage=call.most, is_estimated=True)
    verdict = result.verdict
    if isinstance(verdict, Completion):
        return _answered(call, verdict)
    outcome = verdict.outcome.value
    if verdict.usage is not None:
        return Ended(call=call, outcome=outcome, usage=verdict.usage, is_estimated=False)
    # A request that never was on the wire cannot be billed.
    if verdict.outcome in _NEVER_BILLED or result.sent_after_s == 0:
        return Ended(call=call, outcome=outcome, usage=Usage(), is_estimated=False)
    return Ended(call=call, outcome=outcome, usage=call.most, is_estimated=True)


def _answered(call: Call, completion: Completion) -> Ended:
    tokens_in, tokens_out = completion.tokens_in, completion.tokens_out
    usage = Usage(
        tokens_in=call.most.tokens_in if tokens_in is None else tokens_in,
        tokens_cached=min(completion.tokens_cached or 0, tokens_in or 0),
        tokens_out=most_tokens(completion.text) if tokens_out is None else tokens_out,
    )
    is_estimated = tokens_in is None or tokens_out is None
    return Ended(call=call, outcome=Outcome.OK.value, usage=usage, is_estimated=is_estimated)
