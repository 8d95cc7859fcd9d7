"""Who may pay for an answer: one owner at a time, for as long as its lease runs.

    (no row) ──claim──▶ Claimed(owner, fence 1) ──store──▶ Answered: found by every later claim
                            │        ▲
            lease over, released,    ├── claim: fence + 1, calls + 1
            or the same owner ───────┘        (also of an answer, "from scratch", once per replay)

A claim counts one provider call as begun. Whoever holds an older fence can neither renew nor
store: a process that was frozen while another took over loses, however late it wakes.
"""

from dataclasses import dataclass
from typing import Protocol

from posta.errors import NotNow


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer worth keeping, as it was paid for."""

    text: str
    model: str
    tokens_in: int | None = None
    tokens_out: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to call the provider for one event."""

    event_id: str
    fence: int
    calls: int
    """Provider calls begun for this event, the one about to be made included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Somebody has paid already."""

    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Another owner is at it."""

    lease_left_s: float
    """Seconds until its lease ends, unless it renews it."""


class ClaimLost(NotNow):
    """Another owner has taken the event over; its answer is on its way."""


class Answers(Protocol):
    """The store of claims and answers. Every method raises ``Unavailable`` when the store is away."""

    async def find(self, event_id: str) -> Answer | None:
        """The answer, if somebody has paid already; nothing is claimed."""
        ...

    async def claim(self, event_id: str, *, scratch: str | None = None) -> Claim | Answered | Busy:
        """Take the right to call for ``event_id``, or say why not.

        ``scratch`` names an admin's wish to have it answered anew: an answer from before it does not
        count, one given since does.
        """
        ...

    async def again(self, claim: Claim) -> bool:
        """Count one call more under the same claim, before it is made; False when the claim is lost."""
        ...

    async def renew(self, claim: Claim) -> bool:
        """Lengthen the lease to its full time from now; False when the claim is lost."""
        ...

    async def release(self, claim: Claim) -> None:
        """End the lease now, so that whoever comes next need not wait; nothing if the claim is lost."""
        ...

    async def store(self, claim: Claim, answer: Answer) -> bool:
        """Keep the answer for good; False, and nothing kept, when the claim is lost. Safe to repeat."""
        ...
