"""What the sandbox's ledger says of a run: refusals, and the share of an allowance used. PURE."""

from collections.abc import Sequence
from dataclasses import dataclass

_TOO_MANY = 429
_OK = 200


@dataclass(frozen=True, slots=True)
class LedgerCall:
    """One call that the provider received."""

    at: float
    """Epoch seconds."""
    status: int
    tokens: int = 0
    """What the provider counted for it; 0 when it was not let through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What a provider allows in a window."""

    rpm: int
    tpm: int | None
    minute_s: float


def refused_share(calls: Sequence[LedgerCall]) -> float:
    """Refused calls by all calls; nought when there were none."""
    return sum(call.status == _TOO_MANY for call in calls) / max(1, len(calls))


def after_learning(calls: Sequence[LedgerCall], *, minute_s: float) -> list[LedgerCall]:
    """The calls after the first minute: what the first refusals taught is known by then."""
    first = min((call.at for call in calls), default=0.0)
    return [call for call in calls if call.at >= first + minute_s]


def used_share(calls: Sequence[LedgerCall], *, allowed: Allowed) -> float:
    """How full the sliding windows were, on average over the time, by the limit that bound at each moment.

    From the end of the first window, whose worth is there at once and flatters everybody, to the last call.
    At a moment *t* a window holds what was let through after *t* less its length; nobody within the limits
    has more than 1.
    """
    let_through = sorted((call for call in calls if call.status == _OK), key=lambda call: call.at)
    if not let_through:
        return 0.0
    begin, end = let_through[0].at + allowed.minute_s, let_through[-1].at
    if end <= begin:
        return 0.0
    changes = sorted(
        [(call.at, 1, call.tokens) for call in let_through]
        + [(call.at + allowed.minute_s, -1, -call.tokens) for call in let_through]
    )
    full_s, requests, tokens, since = 0.0, 0, 0, begin
    for at, more_requests, more_tokens in changes:
        upto = min(max(at, begin), end)
        full_s += (upto - since) * _fill(requests, tokens, allowed)
        since, requests, tokens = upto, requests + more_requests, tokens + more_tokens
    return full_s / (end - begin)


def _fill(requests: int, tokens: int, allowed: Allowed) -> float:
    return max(requests / allowed.rpm, 0.0 if allowed.tpm is None else tokens / allowed.tpm)


def per_hour(answered: int, *, seconds: float, minute_s: float) -> float:
    """Mails an hour, when a minute takes ``minute_s``."""
    return answered / max(seconds, 1e-9) * 60 * minute_s
