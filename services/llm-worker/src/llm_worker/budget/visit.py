"""What a worker brings to the book of a bucket, and what it is told: the values of a visit."""

from dataclasses import dataclass, field

from llm_worker.budget.allowance import Allowance
from llm_worker.budget.book import Book
from llm_worker.budget.shares import SharePolicy
from llm_worker.budget.steady import Seen
from llm_worker.circuit.breaker import Circuit, Report
from llm_worker.providers.told import Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Part of a lease that was used, or (``calls`` 0) is given back."""

    leased_until: float
    """The lease it came from, by the end of its use; also where it counts now."""
    used_at: float | None
    """When the call was on its way; None: it was not used."""
    leased_calls: int
    leased_tokens: int
    tokens: int = 0
    """What it came to; meaningless if it was not used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One question's wish."""

    tokens: int
    """The most that the call can come to, prompt and answer."""
    is_urgent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Everything a worker brings."""

    owner: str
    seen: Seen | None = None
    spent: tuple[Spent, ...] = ()
    reports: tuple[Report, ...] = ()
    told: tuple[Told, ...] = ()
    questions: dict[str, int] = field(default_factory=dict)
    """How many questions of each tenant were asked since the last visit."""
    held: int = 0
    """Calls in flight now, leased ones included."""
    needs: tuple[Need, ...] = ()
    """Of questions that wait, best first."""
    any_order: int = 1
    """So many of the first may be let through in any order."""
    ahead: int = 0
    """Calls more that are likely soon: leased too, when there is plenty."""
    typical_tokens: int = 0
    """Of one of those."""
    spare_tokens: int = 0
    """What a call does not come to, usually, of what was reserved for it."""
    wanted: Need | None = None
    """The smallest of those that were turned away and may be let through; None: nobody was."""
    keep_s: float = 15.0
    """How long its word counts unless it comes again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What may be used until ``use_until``, on the group's clock."""

    calls: int
    tokens: int
    use_until: float
    life_s: float
    served: tuple[int, ...] = ()
    """Which of the visit's needs it is for; what is beyond them is for questions that are likely soon."""
    canary: int | None = None
    """If set, the one call is the circuit's canary, to be reported under this number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """Nothing, for now."""

    why: str
    """``circuit``, ``told``, ``concurrency``, ``others`` or a window's name."""
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowUse:
    """One window as an operator wants to see it."""

    name: str
    used: int
    limit: int | None
    counts_tokens: bool
    """Or calls."""
    frees_in_s: float
    """Until the next part of it is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The bucket after the visit."""

    at: float
    windows: tuple[WindowUse, ...]
    in_flight: int
    waiting: int
    """Questions of other workers that were turned away."""
    closed_s: float
    circuit: str
    circuit_s: float
    """Until the circuit lets a canary through; 0 unless it is open."""
    trips: int
    over_s: dict[str, float]
    """Tenants above their share, and for how long still."""
    over: dict[str, float]
    """The same tenants, and how many questions they had beyond it."""
    room_in_s: float
    """Until one typical call would be let through; 0: now."""
    room_why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is the same for every visit to one bucket."""

    allowance: Allowance
    circuit: Circuit = field(default_factory=Circuit)
    shares: SharePolicy = field(default_factory=SharePolicy)

    def drain_per_s(self, book: Book) -> float:
        """How fast a tenant's level drains."""
        window = self.allowance.window("rpm")
        return self.shares.drain_per_s(book.limit_of(window, self.allowance), window.length_s)
