"""Sliding windows: how often something happened lately, and whether once more is allowed. PURE."""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass

Hits = Sequence[float]
"""When something was let through, in seconds since the epoch, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """At most ``limit`` times in any ``window_s`` seconds, for whatever has this key."""

    key: str
    limit: int
    window_s: float
    reason: str
    """Why a request is refused that this quota refuses."""


Request = tuple[Quota, ...]
"""Everything that one message must fit into."""


def take(request: Request, hits: MutableMapping[str, Hits], now: float) -> Quota | None:
    """Count the request everywhere, or nowhere when one quota is used up; return that quota.

    ``hits`` is changed in place; a key it lacks has no hits.
    """
    recent = {quota.key: _recent(hits.get(quota.key, ()), quota, now) for quota in request}
    for quota in request:
        if len(recent[quota.key]) >= quota.limit:
            return quota
    for quota in request:
        hits[quota.key] = (*recent[quota.key][-quota.limit + 1 :], now) if quota.limit > 1 else (now,)
    return None


def take_all(requests: Iterable[Request], hits: MutableMapping[str, Hits], now: float) -> list[Quota | None]:
    """``take`` for several requests that came together, in their order."""
    return [take(request, hits, now) for request in requests]


def keys_of(requests: Iterable[Request]) -> list[str]:
    """Every key of ``requests`` once, in the order in which all instances lock them."""
    return sorted({quota.key for request in requests for quota in request})


def longest_window_s(requests: Iterable[Request]) -> Mapping[str, float]:
    """How long a hit of each key can matter, in seconds."""
    found: dict[str, float] = {}
    for request in requests:
        for quota in request:
            found[quota.key] = max(found.get(quota.key, 0.0), quota.window_s)
    return found


def _recent(hits: Hits, quota: Quota, now: float) -> tuple[float, ...]:
    # A hit from the future is another instance's clock, and counts as one of now.
    return tuple(hit for hit in hits if hit > now - quota.window_s)
