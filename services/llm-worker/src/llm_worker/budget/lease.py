"""What a purse holds of the group's allowance: a lease of some calls, and the right to one of them."""

from dataclasses import dataclass

from llm_worker.budget.books import LastVisit
from llm_worker.budget.visit import Grant, Need


class NoRoom(Exception):
    """There is no room for this call now; nothing was spent."""

    def __init__(self, why: str, *, wait_s: float, over_share: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.wait_s = wait_s
        self.over_share = over_share
        """Only this tenant has to wait; others may have room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """The right to make one call, until ``ends_at`` on the monotonic clock."""

    need: Need
    leased_until: float
    last: LastVisit
    ends_at: float
    canary: int | None


@dataclass(slots=True)
class Lease:
    """What is left of a grant."""

    grant: Grant
    last: LastVisit
    calls: int
    tokens: int

    @property
    def ends_at(self) -> float:
        """On our monotonic clock; the group's clock has then moved at most so far."""
        return self.last.begun + self.grant.life_s

    def take(self, need: Need, *, now: float) -> Reservation | None:
        """One call of it, if that much is left and it may still be used."""
        if self.calls < 1 or self.tokens < need.tokens or now >= self.ends_at:
            return None
        self.calls -= 1
        self.tokens -= need.tokens
        return Reservation(
            need=need,
            leased_until=self.grant.use_until,
            last=self.last,
            ends_at=self.ends_at,
            canary=self.grant.canary,
        )
