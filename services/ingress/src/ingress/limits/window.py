"""Sliding windows: how often something happened lately, and whether once more is allowed. PURE."""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import NamedTuple

Hits = Sequence[float]
"""When something was let through, in seconds since the epoch, oldest first."""


class Quota(NamedTuple):
    """At most ``limit`` times in any ``window_s`` seconds, for whatever has this key.

    Several are made for each message: a tuple takes a fifth of the time of a frozen dataclass.
    """

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
    recent: list[Hits] = []
    for quota in request:
        known = hits.get(quota.key)
        left: Hits = _recent(known, quota, now) if known else ()
        if len(left) >= quota.limit:
            return quota
        recent.append(left)
    for quota, kept in zip(request, recent, strict=True):
        hits[quota.key] = (*kept[-quota.limit + 1 :], now) if kept and quota.limit > 1 else (now,)
    return None


def take_all(requests: Iterable[Request], hits: MutableMapping[str, Hits], now: float) -> list[Quota | None]:
    """``take`` for several requests that came together, in their order."""
    return [take(request, hits, now) for request in requests]


def counts_of(requests: Iterable[Request]) -> dict[str, int]:
    """How many of ``requests`` have each key, in the order in which all instances lock keys."""
    found: dict[str, int] = {}
    for request in requests:
        for quota in request:
            found[quota.key] = found.get(quota.key, 0) + 1
    return dict(sorted(found.items()))


def longest_window_s(requests: Iterable[Request]) -> Mapping[str, float]:
    """How long a hit of each key can matter, in seconds."""
    found: dict[str, float] = {}
    for request in requests:
        for quota in request:
            found[quota.key] = max(found.get(quota.key, 0.0), quota.window_s)
    return found


def _recent(hits: Hits, quota: Quota, now: float) -> tuple[float, ...]:
    # A hit from the future is another instance's clock, and counts as one of now.
    since = now - quota.window_s
    return tuple([hit for hit in hits if hit > since])
