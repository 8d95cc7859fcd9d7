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


def used_share(calls: Sequence[LedgerCall], *, tokens: int, allowed: Allowed) -> float:
    """What was used of what strict sliding windows allow in the long run, from the first call to the last.

    The first window's worth is there at once and is left out, so that it flatters nobody:
    (used - one window's limit) / (limit x windows), by the limit that binds.
    """
    let_through = [call.at for call in calls if call.status == _OK]
    if len(let_through) < 2:  # noqa: PLR2004 - no time passes between one
        return 0.0
    windows = (max(let_through) - min(let_through)) / allowed.minute_s
    shares = [(len(let_through) - allowed.rpm) / (allowed.rpm * windows)]
    if allowed.tpm is not None:
        shares.append((tokens - allowed.tpm) / (allowed.tpm * windows))
    return max(0.0, *shares)


def per_hour(answered: int, *, seconds: float, minute_s: float) -> float:
    """Mails an hour, when a minute takes ``minute_s``."""
    return answered / max(seconds, 1e-9) * 60 * minute_s
