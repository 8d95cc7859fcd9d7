"""Lets a question through to a model: its turn, or what the engine is told while there is none.

waited here before ─▶ a place in line by what its prompt came to ─┬▶ none: it waits on, nothing was looked up
└▶ had: the prompt is built, and asked with
comes anew ─▶ the prompt is built ─▶ turn, or it waits
"""

import time
from collections.abc import Callable

from llm_worker.asking.asker import Asker
from llm_worker.asking.turns import Early, Inquiry, NoTurn, Turn, Wish
from llm_worker.asking.waiting import WaitingRoom
from llm_worker.asking.waits import Shortage, failure_of
from llm_worker.providers.lineup import Model
from posta.errors import Expired, Permanent, Unavailable

_MIN_CALL_S = 1.0
"""A call given less than this would be paid for in vain."""


class Admission:
    """See the module. ``waiting_most``: questions without a deadline that wait in this process."""

    def __init__(
        self,
        asker: Asker,
        waiting: WaitingRoom,
        *,
        waiting_most: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._asker = asker
        self._waiting = waiting
        self._waiting_most = waiting_most
        self._clock = clock

    def leave(self, event_id: str) -> None:
        """It is answered, or given up."""
        self._waiting.leave(event_id)

    def has_waited(self, event_id: str) -> bool:
        """Whether it was turned away here lately, and so looked up then."""
        return self._waiting.is_here(event_id)

    def too_late(self, last_end: float | None) -> Expired | None:
        """Why no call can be made in time any more."""
        if last_end is None or self._clock() + _MIN_CALL_S <= last_end:
            return None
        return Expired("too little time is left before the question's deadline to answer it")

    async def early(self, wish: Wish) -> Early | None:
        """A place for a question that waited here, before its prompt is built again; None: it is new here.

        Raises what the engine is to be told while there is no room.
        """
        size = self._waiting.size_of(wish.event_id)
        if size is None or wish.first is None or self.too_late(wish.last_end):
            return None
        known = self._asker.known_shortage(wish.route, wish.first)
        if known is not None:
            raise self.failure(wish, known)
        try:
            return await self._asker.early(wish, wish.first, size)
        except NoTurn as exc:
            raise self.failure(wish, exc.shortage) from None

    async def turn(self, inquiry: Inquiry, first: Model | None, early: Early | None) -> Turn:
        """The turn of ``inquiry``, with the place it has if that is enough. Raises ``NoTurn``."""
        if early is not None:
            turn = self._asker.completed(early, inquiry)
            if turn is not None:
                return turn
            self.give_back(early)
        if first is None:
            raise Permanent(f"route {inquiry.route.name} names no model, and nobody else to answer")
        return await self._asker.turn(inquiry, first)

    def give_back(self, early: Early | None) -> None:
        """The place is not needed."""
        if early is not None:
            self._asker.give_back(early)

    def failure(self, wish: Wish | Inquiry, shortage: Shortage) -> Exception:
        """What the engine is told, noted for whoever wonders why the question waits."""
        waiting = self._waiting.unhurried(beside=wish.event_id)
        failure = failure_of(
            shortage,
            last_start=None if wish.last_end is None else wish.last_end - _MIN_CALL_S,
            now=self._clock(),
            crowded=not wish.is_urgent and waiting >= self._waiting_most,
            look_left_s=self._waiting.look_left_s(),
        )
        if not isinstance(failure, Expired):
            self._waiting.enter(
                wish.event_id,
                why=shortage.why,
                is_urgent=wish.is_urgent,
                wait_s=shortage.wait_s,
                in_hand=isinstance(failure, Unavailable),
                size=wish.size if isinstance(wish, Inquiry) else None,
            )
        return failure
