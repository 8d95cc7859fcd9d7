"""The book of one bucket: everything the group shares about one provider, model and key.

    counts     what was used in each window, leases included: a lease counts until it is returned,
               settled, or has aged out with its window, so that a crash needs no clean-up
    holders    how many calls each worker holds (in flight or leased), with the end of its word
    wants      who was turned away, since when, and how urgently: room is kept for who waits longest
    told       limits that the provider named, or that a 429 gave away
    closed     until when the provider said to wait
    levels     each tenant's recent use
    circuit    whether the model is well

Plain state; ``llm_worker.budget.attend`` alone changes it.
"""

from dataclasses import dataclass, field
from typing import Any

from llm_worker.budget.allowance import Allowance, Counts, Window
from llm_worker.budget.shares import Level
from llm_worker.budget.steady import Steady
from llm_worker.circuit import breaker


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """One worker's calls, as of its last visit."""

    calls: int
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """A worker that was turned away."""

    urgent: int
    standard: int
    since: float
    until: float
    """When it is no longer believed to wait."""
    least: int = 0
    """The fewest tokens of which any of it could be let through; 0: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldLimit:
    """A limit that the provider named (``until`` None), or that was inferred for a while."""

    limit: int
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The last 429 that came while nothing was closed."""

    at: float
    went_through: int
    """Calls within the minute before it."""


@dataclass(slots=True, kw_only=True)
class Book:
    """See the module."""

    steady: Steady = field(default_factory=Steady)
    counts: dict[str, dict[int, int]] = field(default_factory=dict)
    holders: dict[str, Holder] = field(default_factory=dict)
    wants: dict[str, Want] = field(default_factory=dict)
    told: dict[str, ToldLimit] = field(default_factory=dict)
    closed_until: float = 0.0
    refused: Refusal | None = None
    levels: dict[str, Level] = field(default_factory=dict)
    circuit: breaker.State = breaker.CLOSED

    @property
    def now(self) -> float:
        """The group's time at this visit."""
        return self.steady.at

    def counts_of(self, window: Window) -> Counts:
        """The window's counts, to be read or changed."""
        return Counts(window, self.counts.setdefault(window.name, {}))

    def limit_of(self, window: Window, allowance: Allowance) -> int | None:
        """The limit in force: the operator's and the provider's, whichever is lower; None: none known."""
        told = self.told.get(window.name)
        if told is not None and told.until is not None and told.until <= self.now:
            told = None
        configured = allowance.configured(window.name)
        known = [limit for limit in (configured, told.limit if told else None) if limit is not None]
        return min(known, default=None)

    def forget_gone(self) -> None:
        """Drop the words of workers that were not kept."""
        self.holders = {owner: one for owner, one in self.holders.items() if one.until > self.now}
        self.wants = {owner: one for owner, one in self.wants.items() if one.until > self.now}

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "at": self.steady.at,
            "database_at": self.steady.database_at,
            "counts": {
                name: {str(end): n for end, n in counts.items()} for name, counts in self.counts.items()
            },
            "holders": {owner: [one.calls, one.until] for owner, one in self.holders.items()},
            "wants": {
                owner: [one.urgent, one.standard, one.since, one.until] for owner, one in self.wants.items()
            },
            # Apart, so that a worker of an earlier version can read the book while a new one is rolled out.
            "least": {owner: one.least for owner, one in self.wants.items()},
            "told": {name: [one.limit, one.until] for name, one in self.told.items()},
            "closed_until": self.closed_until,
            "refused": [self.refused.at, self.refused.went_through] if self.refused else None,
            "levels": {tenant: [one.amount, one.at] for tenant, one in self.levels.items()},
            "circuit": breaker.to_json(self.circuit),
        }


def book_of(stored: dict[str, Any] | None) -> Book:
    """The book as it was stored; nothing stored is an empty one."""
    if not stored:
        return Book()
    refused = stored["refused"]
    return Book(
        steady=Steady(at=stored["at"], database_at=stored["database_at"]),
        counts={name: {int(end): n for end, n in ends.items()} for name, ends in stored["counts"].items()},
        holders={owner: Holder(calls=n, until=end) for owner, (n, end) in stored["holders"].items()},
        wants={
            owner: Want(
                urgent=urgent,
                standard=standard,
                since=since,
                until=end,
                least=stored.get("least", {}).get(owner, 0),
            )
            for owner, (urgent, standard, since, end) in stored["wants"].items()
        },
        told={name: ToldLimit(limit=limit, until=end) for name, (limit, end) in stored["told"].items()},
        closed_until=stored["closed_until"],
        refused=Refusal(at=refused[0], went_through=refused[1]) if refused else None,
        levels={tenant: Level(amount=n, at=at) for tenant, (n, at) in stored["levels"].items()},
        circuit=breaker.from_json(stored["circuit"]),
    )
