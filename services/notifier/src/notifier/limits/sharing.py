"""Shares each global limit with the other notifiers through PostgreSQL, about once a second.

    exchange (one transaction): tell what we want and what was refused ─▶ learn our share,
    how long everything is closed, and how much of the budget all have spent

A share is a lease: a member that was silent for ``LEASE_S`` lost it to the others, and stops using
it ``MARGIN_S`` earlier by its own clock. Slots in use are given back only when they have cooled.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from notifier.limits.buckets import Buckets
from notifier.limits.division import Claim, divide
from notifier.limits.global_limit import GlobalLimit
from notifier.limits.refusals_budget import PERIOD_MIN, RefusalBudget
from notifier.limits.slots import HOLD_S
from posta.background import alongside
from posta.errors import Unavailable
from posta.postgres.pool import Connection, Database
from posta.tasks import end
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
LEASE_S = 6.0
MARGIN_S = 2.0
EVERY_S = 1.0
SOONEST_S = 0.25
"""Somebody who waits makes the next exchange come earlier, but not more often than this."""
LATELY_S = 2.5
"""A destination that called within this time counts when shares are divided."""

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('posta:discord-limit:' || $1, 0))"
_OTHERS = """
    SELECT member, held, wanted, weight FROM discord_share
    WHERE scope = $1 AND member <> $2 AND expires_at > now()
"""
_CLAIM = """
    INSERT INTO discord_share (scope, member, held, wanted, weight, expires_at)
    VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
    ON CONFLICT (scope, member) DO UPDATE
    SET held = $3, wanted = $4, weight = $5, expires_at = excluded.expires_at
"""
_LEAVE = """
    UPDATE discord_share SET held = $3, wanted = 0, expires_at = now() + make_interval(secs => $4)
    WHERE scope = $1 AND member = $2
"""
_FORGET = "DELETE FROM discord_share WHERE scope = $1 AND expires_at < now()"
_REFUSED = """
    INSERT INTO discord_refusals (scope, minute, refused) VALUES ($1, $2, $3)
    ON CONFLICT (scope, minute) DO UPDATE SET refused = discord_refusals.refused + $3
"""
_SPENT = "SELECT minute, refused FROM discord_refusals WHERE scope = $1 AND minute >= $2"
_FORGET_REFUSALS = "DELETE FROM discord_refusals WHERE scope = $1 AND minute < $2"
_CLOSE = """
    INSERT INTO discord_closed (scope, until) VALUES ($1, now() + make_interval(secs => $2))
    ON CONFLICT (scope) DO UPDATE SET until = greatest(discord_closed.until, excluded.until)
"""
_CLOSED = "SELECT extract(epoch FROM until - now())::float8 FROM discord_closed WHERE scope = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedScope:
    """One global limit and how much of it there is in all."""

    name: str
    """Names the limit in the database: processes behind one address, or with one bot, use one name."""
    total: int
    limit: GlobalLimit


class Sharing:
    """One member's part in dividing the limits; ``member`` is unique among all processes."""

    def __init__(
        self,
        database: Database,
        scopes: Mapping[str, SharedScope],
        *,
        member: str,
        buckets: Buckets,
        budget: RefusalBudget,
        address: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._scopes = scopes
        self._member = member
        self._buckets = buckets
        self._budget = budget
        self._address = address
        self._clock = clock

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the shares up to date for the block; then give them back."""
        try:
            async with alongside(self._keep, name="share Discord's limits"):
                yield
        finally:
            await self._leave()

    async def exchange(self) -> None:
        """Renew every share and learn what the others know. Raises ``Unavailable``."""
        for scope in self._scopes.values():
            await self._claim(scope)
        await self._tell_refusals()

    async def _keep(self) -> None:
        while True:
            try:
                await self.exchange()
            except Unavailable as exc:
                log.warning("discord_limits_not_shared", error=str(exc))
            await asyncio.sleep(SOONEST_S)
            await self._until_due()

    async def _until_due(self) -> None:
        starved = [asyncio.create_task(s.limit.starved.wait()) for s in self._scopes.values()]
        try:
            await asyncio.wait(starved, timeout=EVERY_S - SOONEST_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(*starved)

    async def _claim(self, scope: SharedScope) -> None:
        slots, began = scope.limit.slots, self._clock()
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK, scope.name)
            others = await connection.fetch(_OTHERS, scope.name, self._member)
            mine = self._claim_of(scope)
            share = self._share(scope, others, mine)
            # What is used may only shrink before the others are told, and grow after.
            slots.share = min(slots.share, share)
            held = max(share, slots.in_use(self._clock()))
            await connection.execute(
                _CLAIM, scope.name, self._member, held, mine.wanted, mine.weight, LEASE_S
            )
            await connection.execute(_FORGET, scope.name)
        slots.share, slots.valid_until = share, began + LEASE_S - MARGIN_S
        names.DISCORD_SLOTS.labels(scope.name).set(share)
        scope.limit.pump()

    def _claim_of(self, scope: SharedScope) -> Claim:
        """Who had to wait wants its full part; who did not, what it used at most since the last exchange."""
        slots, limit = scope.limit.slots, scope.limit
        peak = slots.read_peak(self._clock())
        is_hungry = limit.starved.is_set() or limit.waiting > 0
        limit.starved.clear()
        return Claim(
            wanted=scope.total if is_hungry else min(scope.total, max(1, peak)),
            weight=max(1, limit.destinations(within_s=LATELY_S)),
        )

    def _share(self, scope: SharedScope, others: list[Any], mine: Claim) -> int:
        claims = {row["member"]: Claim(wanted=row["wanted"], weight=row["weight"]) for row in others}
        due = divide(scope.total, {**claims, self._member: mine})[self._member]
        return max(0, min(due, scope.total - sum(int(row["held"]) for row in others)))

    async def _tell_refusals(self) -> None:
        fresh = self._budget.hand_over()
        oldest = int(time.time() // 60) - PERIOD_MIN
        try:
            async with self._database.transaction() as connection:
                for minute, refused in fresh.items():
                    await connection.execute(_REFUSED, self._address, minute, refused)
                told = await connection.fetch(_SPENT, self._address, oldest)
                await connection.execute(_FORGET_REFUSALS, self._address, oldest)
                closed_s = await self._share_closure(connection)
        except Unavailable:
            self._budget.take_back(fresh)
            raise
        self._budget.learn({row["minute"]: row["refused"] for row in told})
        if closed_s > 0:
            self._buckets.close_all(self._clock() + closed_s)
        names.DISCORD_REFUSALS.set(self._budget.spent(time.time()))

    async def _share_closure(self, connection: Connection) -> float:
        """Tell and learn for how many seconds everything is closed."""
        mine_s = self._buckets.all_closed_until - self._clock()
        if mine_s > 0:
            await connection.execute(_CLOSE, self._address, mine_s)
        return float(await connection.fetchval(_CLOSED, self._address) or 0.0)

    async def _leave(self) -> None:
        try:
            async with self._database.connection() as connection:
                for scope in self._scopes.values():
                    slots = scope.limit.slots
                    slots.share = 0
                    held = slots.in_use(self._clock())
                    await connection.execute(_LEAVE, scope.name, self._member, held, HOLD_S if held else 0.0)
        except Unavailable:
            log.info("discord_share_left_to_its_lease")
