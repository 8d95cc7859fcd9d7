"""Who may pay for an answer: one owner at a time, for as long as its lease runs.

    (no row) ──claim──▶ Claimed(owner, fence 1) ──store──▶ Answered: found by every later claim
                            │        ▲
            lease over, released,    ├── claim: fence + 1, calls + 1
            or the same owner ───────┘        (also of an answer, "from scratch", once per replay)

A claim counts one provider call as begun. Whoever holds an older fence can neither renew nor
store: a process that was frozen while another took over loses, however late it wakes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from llm_worker.conversation.turn import NewTurn
from llm_worker.spending.call import Call, Ended
from posta.errors import NotNow


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer worth keeping, as it was paid for."""

    text: str
    model: str
    tokens_in: int | None = None
    tokens_out: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What is written down in the moment an answer is stored, so that no crash comes between."""

    turn: NewTurn
    """What its conversation remembers."""
    shared_for_s: float | None = None
    """How long others who ask the same are given it; None: it is nobody else's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to call the provider for one event."""

    event_id: str
    fence: int
    calls: int
    """Provider calls begun for this event, the one about to be made included."""
    warns: bool = False
    """Whether this call took its tenant over the share of its budget at which the operator is warned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Somebody has paid already."""

    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Another owner is at it."""

    lease_left_s: float
    """Seconds until its lease ends, unless it renews it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverBudget:
    """The claim is had, and the tenant's budget of today does not allow the call: nothing is reserved."""

    claim: Claim
    first: bool
    """Whether it is the tenant's first today."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The answer is kept for good, and what came with it is noted."""

    open_tokens: int | None = None
    """Of the conversation's turns that are not yet summarised; None: no turn came with it."""


class ClaimLost(NotNow):
    """Another owner has taken the event over; its answer is on its way."""


class Answers(Protocol):
    """The store of claims and answers. Every method raises ``Unavailable`` when the store is away."""

    async def find(self, event_id: str) -> Answer | None:
        """The answer, if somebody has paid already; nothing is claimed."""
        ...

    async def claim(
        self, event_id: str, *, scratch: str | None = None, call: Call | None = None
    ) -> Claim | Answered | Busy | OverBudget:
        """Take the right to call for ``event_id`` and reserve what ``call`` may cost, or say why not.

        ``scratch`` names an admin's wish to have it answered anew: an answer from before it does not
        count, one given since does.
        """
        ...

    async def again(self, claim: Claim, *, call: Call | None = None, ended: Sequence[Ended] = ()) -> bool:
        """Count one call more under the same claim, before it is made; False when the claim is lost.

        What calls came to is entered first. Raises ``BudgetUsedUp``.
        """
        ...

    async def renew(self, claim: Claim) -> bool:
        """Lengthen the lease to its full time from now; False when the claim is lost."""
        ...

    async def release(self, claim: Claim, *, ended: Sequence[Ended] = ()) -> None:
        """End the lease now, so that whoever comes next need not wait; nothing if the claim is lost.

        What calls came to is entered in any case: nobody uses it.
        """
        ...

    async def store(
        self,
        claim: Claim,
        answer: Answer,
        *,
        ended: Sequence[Ended] = (),
        used: UUID | None = None,
        notes: Notes | None = None,
    ) -> Stored | None:
        """Keep the answer for good, and ``notes`` with it; None, and nothing kept, when the claim is lost.

        Safe to repeat. What calls came to is entered in any case; ``used`` is the one that gave the answer.
        """
        ...
