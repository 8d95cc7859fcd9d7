"""One global limit as this process meets it: a share of its slots, given out in turn."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from notifier.limits.buckets import Target
from notifier.limits.slots import Slots
from notifier.limits.turns import Turns
from posta.errors import NotNow

PATIENCE_S = 5.0
"""Longest wait in the line; whoever waited so long comes again later."""
TURNED_AWAY_S = 0.25


class GlobalLimit:
    """Calls under one of Discord's global limits.

    ``most_waiting`` bounds the line: handlers that wait in it do nothing else, and answers to
    people, which no global limit holds back, need handlers, too.
    """

    def __init__(self, slots: Slots, *, most_waiting: int, clock: Callable[[], float]) -> None:
        self.slots = slots
        self.starved = asyncio.Event()
        """Set when somebody had to wait: a larger share would be of use."""
        self._most_waiting = most_waiting
        self._clock = clock
        self._turns: Turns[asyncio.Future[None]] = Turns()
        self._timer: asyncio.TimerHandle | None = None
        self._seen: dict[str, float] = {}

    @property
    def waiting(self) -> int:
        """Calls in the line."""
        return len(self._turns)

    def destinations(self, *, within_s: float) -> int:
        """How many targets asked for a slot lately."""
        since = self._clock() - within_s
        self._seen = {major: at for major, at in self._seen.items() if at >= since}
        return len(self._seen)

    async def enter(self, target: Target, *, opens_window: bool) -> None:
        """Return when a slot is taken for ``target``. Raises ``NotNow`` when the line is too long."""
        self._seen[target.major] = self._clock()
        if not self._turns and self.slots.take(self._clock()):
            return
        self.starved.set()
        if len(self._turns) >= self._most_waiting:
            raise NotNow("the global rate limit is used up", wait_s=TURNED_AWAY_S)
        turn = asyncio.get_running_loop().create_future()
        self._turns.push(turn, guild=target.guild or target.major, opens_window=opens_window)
        self.pump()
        with self._given_back(turn):
            done, _ = await asyncio.wait({turn}, timeout=PATIENCE_S)
            if not done:
                turn.cancel()
                raise NotNow("the global rate limit is used up", wait_s=TURNED_AWAY_S)

    def leave(self, *, sent: bool, took_s: float | None = None) -> None:
        """The call of a taken slot ended; ``sent`` False: it never left. See ``Slots.answered``."""
        if sent:
            self.slots.answered(self._clock(), took_s=took_s)
        else:
            self.slots.unused()
        self.pump()

    def pump(self) -> None:
        """Give free slots to those who wait; call it whenever the share changed."""
        while self._turns and self.slots.take(self._clock()):
            turn = self._turns.pop()
            if turn is None or turn.done():
                self.slots.unused()
            else:
                turn.set_result(None)
        self._arm()

    @contextmanager
    def _given_back(self, turn: "asyncio.Future[None]") -> Iterator[None]:
        """A slot that was given to somebody who is gone goes to the next."""
        try:
            yield
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(sent=False)
            else:
                turn.cancel()
            raise

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._turns:
            return
        wait_s = min(self.slots.wait_s(self._clock()), PATIENCE_S)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self.pump)
