"""Which questions of this process wait for room, since when and why."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from llm_worker.asking.estimate import Estimate
from posta.telemetry import names

_GONE_S = 60.0
"""So long after it could have come again, a question has gone to another worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiter:
    """One question that was turned away."""

    why: str
    is_urgent: bool
    since: float
    again_at: float
    size: Estimate | None
    """What its prompt can come to at most, once that is known."""
    in_hand: bool
    """It takes the next room itself; else it comes again later, perhaps from a lane."""


class WaitingRoom:
    """See the module. For ``look_left_s`` its door, the gate, is open although there is no room."""

    def __init__(
        self,
        *,
        look_left_s: Callable[[], float] = lambda: 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.look_left_s = look_left_s
        self._clock = clock
        self._waiters: dict[str, Waiter] = {}
        self._look_again_at = 0.0

    def enter(
        self,
        event_id: str,
        *,
        why: str,
        is_urgent: bool,
        wait_s: float,
        in_hand: bool = True,
        size: Estimate | None = None,
    ) -> None:
        """It was turned away; a question that waits already keeps its ``since`` and its ``size``."""
        now = self._clock()
        before = self._waiters.get(event_id)
        since = now if before is None else before.since
        if before is not None:
            size = size or before.size
        waiter = Waiter(
            why=why, is_urgent=is_urgent, since=since, again_at=now + wait_s, size=size, in_hand=in_hand
        )
        self._waiters[event_id] = waiter
        names.LLM_WAITING.set(len(self._waiters))

    def is_here(self, event_id: str) -> bool:
        """Whether it was turned away lately."""
        self._forget_gone()
        return event_id in self._waiters

    def size_of(self, event_id: str) -> Estimate | None:
        """What its prompt can come to at most, if it was turned away lately with a prompt."""
        self._forget_gone()
        waiter = self._waiters.get(event_id)
        return None if waiter is None else waiter.size

    def leave(self, event_id: str) -> None:
        """It was asked, or it is over."""
        if self._waiters.pop(event_id, None) is not None:
            names.LLM_WAITING.set(len(self._waiters))

    def unhurried(self, *, beside: str) -> int:
        """How many are in hand that are not urgent, the one ``beside`` not counted."""
        self._forget_gone()
        return sum(one.in_hand and not one.is_urgent for key, one in self._waiters.items() if key != beside)

    def by_reason(self) -> dict[str, int]:
        """How many wait, by why."""
        self._forget_gone()
        return dict(Counter(one.why for one in self._waiters.values()).most_common())

    def counts(self) -> tuple[int, int]:
        """How many wait that are urgent, and that are not."""
        self._forget_gone()
        urgent = sum(one.is_urgent for one in self._waiters.values())
        return urgent, len(self._waiters) - urgent

    def longest_s(self) -> float:
        """How long the first of them has waited."""
        self._forget_gone()
        now = self._clock()
        return max((now - one.since for one in self._waiters.values()), default=0.0)

    def _forget_gone(self) -> None:
        now = self._clock()
        if now < self._look_again_at:
            return
        self._look_again_at = now + 1.0
        gone = [key for key, one in self._waiters.items() if now > one.again_at + _GONE_S]
        for key in gone:
            self.leave(key)
