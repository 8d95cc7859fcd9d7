"""Carries out what the flood breaker decides: holds intake, lets one canary through, resumes.

While it is held nothing is started, no attempt is used and no apology goes out; polling goes on, so
no member is evicted. The decisions are in ``posta.domain.flood``.
"""

import asyncio
import time
from collections.abc import Callable

from posta.domain.flood import NEVER, Cause, Closed, FloodBreaker, FloodPolicy, Open
from posta.engine.dispatch import Dispatcher
from posta.engine.partition import Work
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
HOLD = "flood"
"""The name of its hold, in ``posta_intake_paused`` and in the engine's status."""
_ADVICE = "mend what makes records fail; a canary resumes intake, or an operator: posta engine resume"


class Floodgate:
    """The breaker of one engine.

    ``clock`` is monotonic (``time.monotonic`` by default), so that no set clock shortens a cool-down.
    """

    def __init__(
        self,
        policy: FloodPolicy | None,
        dispatcher: Dispatcher,
        *,
        group: str,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.breaker = FloodBreaker(policy or NEVER)
        self.is_on = policy is not None
        self._dispatcher = dispatcher
        self._group = group
        # Looked up now and not at import, so that a simulation's time is this one's too.
        self._clock = clock or time.monotonic
        self._canary: Work | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._lived = 0
        """Records handled well that the breaker has not been told of."""
        names.INTAKE_PAUSED.labels(group, HOLD).set(0)

    def lived(self, work: Work) -> None:
        """``work`` was handled well."""
        if self._canary is work:
            self.count()
            self.breaker.lived(self._clock(), is_canary=True)
            self._reopened("the canary was handled")
        else:
            self._lived += 1

    def count(self) -> None:
        """Tell the breaker of those that were handled well; a few times a second is often enough.

        It is also done before anything that the breaker could decide differently for it.
        """
        if self._lived:
            lived, self._lived = self._lived, 0
            self.breaker.lived(self._clock(), count=lived)

    def waits(self, work: Work, *, used_attempt: bool) -> None:
        """``work`` will be tried again; ``used_attempt`` is false when only capacity was missing."""
        if self._canary is not work:
            return
        self.count()
        self.breaker.canary_waits(self._clock(), used_attempt=used_attempt)
        self._canary = None
        if isinstance(self.breaker.state, Open):
            self._tripped(self.breaker.state)
        else:
            self._reopened("the canary will be tried again in its turn")

    def may_give_up(self, work: Work, cause: Cause) -> bool:
        """Whether ``work`` may become a dead letter; if not, intake is held and it must be kept."""
        self.count()
        was_open = isinstance(self.breaker.state, Open)
        is_canary = self._canary is work
        may = self.breaker.may_give_up(cause, self._clock(), is_canary=is_canary)
        if isinstance(self.breaker.state, Open) and not was_open:
            self._canary = None
            self._tripped(self.breaker.state)
        return may

    def left(self, work: Work) -> None:
        """A worker let go of ``work``; a canary that has proved nothing by then is replaced."""
        if self._canary is work:
            self._canary = None
            self._dispatcher.admit_one(HOLD, self._chosen)

    def resume(self) -> bool:
        """Resume at an operator's word; False when there was nothing to resume."""
        if isinstance(self.breaker.state, Closed):
            return False
        self.count()
        self.breaker.resume(self._clock())
        self._reopened("an operator resumed it")
        return True

    def stop(self) -> None:
        """Forget the next canary: the engine ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def probe_in_s(self) -> float | None:
        """Seconds to the next canary; None unless the breaker is open."""
        state = self.breaker.state
        return max(0.0, state.until - self._clock()) if isinstance(state, Open) else None

    def counts(self) -> tuple[int, int]:
        """How many records died, and how many ended, within the policy's window."""
        self.count()
        tally = self.breaker.tally
        tally.move_to(self._clock())
        return tally.died, tally.ended

    def _tripped(self, state: Open) -> None:
        cool_down_s = state.until - self._clock()
        names.INTAKE_PAUSED.labels(self._group, HOLD).set(1)
        names.FLOOD_TRIPS.labels(self._group).inc()
        self._dispatcher.hold(HOLD)
        self._arm(cool_down_s)
        log.error(
            "intake_paused_by_flood",
            group=self._group,
            cause=state.cause.value,
            in_a_row=self.breaker.row,
            died=self.breaker.tally.died,
            ended=self.breaker.tally.ended,
            trip=state.trips,
            cool_down_s=round(cool_down_s, 1),
            advice=_ADVICE,
        )

    def _arm(self, wait_s: float) -> None:
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, wait_s), self._probe)

    def _probe(self) -> None:
        self._timer = None
        self.count()
        if self.breaker.probe(self._clock()):
            log.info("flood_canary_due", group=self._group)
            self._dispatcher.admit_one(HOLD, self._chosen)
        elif (left_s := self.probe_in_s()) is not None:
            # The loop's clock may run a moment ahead of ours.
            self._arm(left_s + 0.001)

    def _chosen(self, work: Work) -> None:
        self._canary = work

    def _reopened(self, why: str) -> None:
        self._canary = None
        self.stop()
        names.INTAKE_PAUSED.labels(self._group, HOLD).set(0)
        log.info("intake_resumed_after_flood", group=self._group, why=why)
        self._dispatcher.release(HOLD)
