"""All of Discord's limits before one call: its bucket, the global limit, the budget of refusals.

check_open ── closed ──▶ NotNow (nothing is written, nothing is sent)
    │ open
passage: slot of the global limit ─▶ bucket ─▶ the call ─▶ answered: both learn
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from notifier.discord.verdict import Closed
from notifier.limits.buckets import Buckets, Target, Told
from notifier.limits.global_limit import GlobalLimit
from notifier.limits.refusals_budget import RefusalBudget
from notifier.limits.told import ToldOnce
from posta.errors import NotNow
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)


@dataclass(slots=True)
class Passage:
    """One call's leave to be sent; ``told`` is what its answer said of the limits."""

    told: Told | None = None
    sent: bool = True
    took_s: float | None = None
    """From sending to the answer; None: there was none."""


class Limits:
    """The limits of one process; ``scopes`` are the global ones by name.

    ``clock`` never goes back; ``wall_clock`` is in seconds since the epoch.
    """

    def __init__(
        self,
        buckets: Buckets,
        scopes: Mapping[str, GlobalLimit],
        budget: RefusalBudget,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self.buckets = buckets
        self.budget = budget
        self._scopes = scopes
        self._clock = clock
        self._wall_clock = wall_clock
        self._told = ToldOnce()

    def wait_s(self, target: Target) -> float:
        """Seconds until a call may be sent as far as its bucket and the budget go; 0: now."""
        return max(self.budget.wait_s(self._wall_clock()), self.buckets.wait_s(target, self._clock()))

    def check_open(self, target: Target) -> None:
        """Raise ``NotNow`` when a call could not be sent now, without counting one."""
        spent_s = self.budget.wait_s(self._wall_clock())
        if spent_s > 0:
            names.DISCORD_HELD.labels("refusals").inc()
            raise NotNow(
                "Discord refused too many calls: all stops well before it bans this address", wait_s=spent_s
            )
        self._wait(target, self.buckets.wait_s(target, self._clock()))

    @asynccontextmanager
    async def passage(self, target: Target) -> AsyncIterator[Passage]:
        """Hold a slot and a place in the bucket for the block. Raises ``NotNow``, holding nothing."""
        self.check_open(target)
        passage = Passage()
        scope = self._scopes.get(target.scope)
        if scope is not None:
            await scope.enter(target, opens_window=self.buckets.opens_window(target, self._clock()))
        try:
            wait_s = self.buckets.take(target, self._clock())
            passage.sent = wait_s <= 0
            self._wait(target, wait_s)
            try:
                yield passage
            finally:
                self.buckets.answered(target, passage.told, self._clock())
        finally:
            if scope is not None:
                scope.leave(sent=passage.sent, took_s=passage.took_s)

    def closed(self, target: Target, verdict: Closed) -> None:
        """Obey a 429 that names its time."""
        names.DISCORD_RATE_LIMITED.labels(verdict.scope).inc()
        self.buckets.closed(target, verdict, self._clock())

    def blocked(self) -> float:
        """Obey a block that names no time; returns the seconds that everything stays closed."""
        names.DISCORD_RATE_LIMITED.labels("blocked").inc()
        return self.buckets.blocked(self._clock())

    def refused(self) -> None:
        """Count an answer against the budget of refusals."""
        self.budget.refused(self._wall_clock())

    def _wait(self, target: Target, wait_s: float) -> None:
        if wait_s > 0:
            names.DISCORD_HELD.labels("bucket").inc()
            if self._told.is_news(self.buckets.key(target), wait_s=wait_s, now=self._clock()):
                log.info(
                    "discord_bucket_closed", route=target.route, bucket=target.major, wait_s=round(wait_s, 3)
                )
            raise NotNow("Discord's rate limit leaves nothing for now", wait_s=wait_s)
