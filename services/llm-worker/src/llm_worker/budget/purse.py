"""What one worker may spend at one model: a small lease from the group's book, and the line in front of it.

    reserve ─▶ lease has room ──────────────────────────▶ Reservation ─▶ call ─▶ settle or give_back
           └─▶ line up ─▶ one visit for all that wait ─┬▶ a lease: served in turn, or by what fits
                                                       └▶ NoRoom for the rest: why, and until when

In the steady state a call costs no round trip: leases come in batches, and what was spent goes back
with the next visit. A lease is used within moments or given back; of a crash the book needs no word.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from llm_worker.budget.allowance import LONGEST_LEASE_SHARE
from llm_worker.budget.books import Books, LastVisit
from llm_worker.budget.lease import Lease, NoRoom, Reservation
from llm_worker.budget.line import Line, Place
from llm_worker.budget.news import News
from llm_worker.budget.recent import Recent
from llm_worker.budget.visit import Denied, Grant, Need, Rules, View, Visit
from llm_worker.circuit.breaker import Report
from llm_worker.providers.told import NOTHING, Told
from posta.errors import Failure

_MOST_NEEDS = 64
"""In one visit; the others come with the next."""
_MOST_AHEAD = 32
_AHEAD_LIVES = 1 / 2
"""Of a lease's longest life: for so long calls are leased ahead, so that they are likely to be used."""
_SMOOTHING = 0.2
_STILL_TURNS = 6
"""Of the loop without anybody new: then all have lined up. The engine wakes one worker after the other."""
_NEVER_S = 3600.0
"""A limit that is too small for a question may be raised; it is asked about again after an hour."""
_LOOK_AGAIN_SHARE = 1 / 20
"""Of a minute: a refusal is not believed longer, because others may give room back."""


class Purse:
    """See the module. ``owner`` names this process; ``keep_s`` is how long its word counts in the book."""

    def __init__(
        self,
        bucket: str,
        books: Books,
        rules: Rules,
        *,
        owner: str,
        keep_s: float = 15.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.bucket = bucket
        self._books = books
        self._rules = rules
        self._owner = owner
        self._keep_s = keep_s
        self._monotonic = monotonic
        self._lease: Lease | None = None
        self._in_flight = 0
        self._line = Line()
        self._serving: asyncio.Task[None] | None = None
        self._visiting = asyncio.Lock()
        self._denied: tuple[Denied, float, float] | None = None
        """The refusal, when it was given, and until when it is believed."""
        self._news = News(monotonic)
        self._recent = Recent()
        self._typical_tokens = 0
        self._spare_tokens = 0.0
        """What calls did not come to of what was reserved for them, smoothed."""
        self._wanted: Need | None = None
        self._last: LastVisit | None = None
        self._visited_at = 0.0
        self.view: View | None = None

    def use(self, rules: Rules) -> None:
        """Keep to these rules from the next visit on."""
        self._rules = rules
        self._denied = None

    async def reserve(self, need: Need, *, tenant: str, name: str = "") -> Reservation:
        """The right to one call; by ``name`` a question that was turned away keeps its place.

        Raises ``NoRoom``, or ``Unavailable`` while the book cannot be read.
        """
        self._typical_tokens = max(need.tokens, int(self._typical_tokens * (1 - _SMOOTHING)))
        if not len(self._line):
            reservation = self._take(need, tenant)
            if reservation is not None:
                return reservation
        future: asyncio.Future[Reservation] = asyncio.get_running_loop().create_future()
        place = self._line.join(need, tenant=tenant, name=name, who=future)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve(), name=f"purse {self.bucket}")
        try:
            return await future
        except asyncio.CancelledError:
            in_line = self._line.leave(place)
            if not in_line and future.done() and not future.cancelled() and future.exception() is None:
                self.give_back(future.result())
            raise

    def is_fresh(self, reservation: Reservation) -> bool:
        """Whether the call may still begin."""
        return self._monotonic() < reservation.ends_at

    def settle(
        self,
        reservation: Reservation,
        *,
        begun: float,
        tokens: int,
        report: Report,
        told: Told = NOTHING,
        told_at: float | None = None,
    ) -> None:
        """The call was on its way at ``begun`` (monotonic) and came to ``tokens``.

        ``told`` was the provider's word at ``told_at`` (monotonic; None: now).
        """
        self._in_flight -= 1
        self._spare_tokens += _SMOOTHING * (max(0, reservation.need.tokens - tokens) - self._spare_tokens)
        self._news.spent(reservation, begun=begun, tokens=tokens)
        self._news.ended(reservation, report)
        if reservation.canary is not None:
            self._denied = None
        if told:
            heard_at = self._monotonic() if told_at is None else told_at
            self._news.heard(replace(told, took_s=max(0.0, heard_at - begun)), heard_at)
            if told.retry_after_s is not None:
                self._believe(Denied(why="told", wait_s=told.retry_after_s))

    def give_back(self, reservation: Reservation) -> None:
        """The call was not made."""
        self._in_flight -= 1
        self._news.unused(reservation)
        self._denied = None

    @property
    def is_dirty(self) -> bool:
        """Whether the book should hear of us soon."""
        lease_over = self._lease is not None and self._monotonic() >= self._lease.ends_at
        silent_s = self._monotonic() - self._visited_at
        # Also when nothing happened: whoever was away for long could not tell a set clock from a true one.
        return bool(self._news) or lease_over or silent_s > self._keep_s / 3

    @property
    def is_urgent_news(self) -> bool:
        """Whether the book should hear of us at once."""
        return self._news.is_urgent

    @property
    def in_flight(self) -> int:
        """Calls of this process under way."""
        return self._in_flight

    def refusal(self) -> NoRoom | None:
        """Why there is no room, as far as is known without asking."""
        if self._denied is None:
            return None
        denied, at, until = self._denied
        now = self._monotonic()
        if now >= until:
            return None
        return NoRoom(denied.why, wait_s=max(0.0, denied.wait_s - (now - at)))

    async def look(self) -> View:
        """The book as it is now, with our news entered. Raises ``Unavailable``."""
        await self._visit((), any_order=0)
        if self.view is None:
            raise AssertionError("a visit leaves a view")
        return self.view

    async def close(self) -> None:
        """Give back what is leased. Raises ``Unavailable``; then it ages out by itself."""
        if self._lease is not None or self.is_dirty:
            self._return_lease()
            await self._visit((), any_order=0)

    def _take(self, need: Need, tenant: str) -> Reservation | None:
        if self._lease is None:
            return None
        now = self._monotonic()
        reservation = self._lease.take(need, now=now)
        if reservation is not None:
            self._in_flight += 1
            self._recent.note(now, over_s=self._life_s)
            self._news.asked(tenant)
        return reservation

    async def _serve(self) -> None:
        """Serve the line until it is empty; what cannot be served is told so."""
        await self._lined_up()
        while line := self._line.in_turn(self._over_share):
            self._hand_out(line)
            self._refuse_too_large(line)
            refusal = self.refusal()
            try:
                if refusal is None:
                    line = self._line.in_turn(self._over_share)[:_MOST_NEEDS]
                    if not line:
                        return
                    await self._ask_for(line)
                    refusal = self.refusal()
            except Failure as exc:
                self._turn_away(exc)
                return
            except BaseException as exc:
                self._turn_away(exc)
                raise
            if refusal is not None:
                self._refuse(refusal)
                return

    async def _lined_up(self) -> None:
        """Let all that come at once line up: what is left must be offered to whomever it may fit."""
        still = 0
        while still < _STILL_TURNS and (before := len(self._line)) < _MOST_NEEDS:
            await asyncio.sleep(0)
            still = still + 1 if len(self._line) == before else 0

    async def _ask_for(self, line: Sequence[Place]) -> None:
        """Visit the book for ``line``, and hand out what was granted to whom it was granted for."""
        any_order = self._line.any_order(line, self._over_share)
        self._wanted = min((place.need for place in line[:any_order]), key=lambda need: need.tokens)
        answer = await self._visit(tuple(place.need for place in line), any_order=any_order)
        if isinstance(answer, Denied):
            self._believe(answer)
        elif answer is not None:
            self._line.overtaken(line, answer.served)
            self._hand_out([line[at] for at in answer.served])

    def _hand_out(self, line: Sequence[Place]) -> None:
        for place in line:
            if place.who.done():
                continue
            reservation = self._take(place.need, place.tenant)
            if reservation is None:
                return
            self._line.serve(place, reservation)

    def _refuse_too_large(self, line: Sequence[Place]) -> None:
        """Who would never fit is told so alone: the others need not be shortened."""
        limits = (
            []
            if self.view is None
            else [window.limit for window in self.view.windows if window.counts_tokens]
        )
        most = min((limit for limit in limits if limit is not None), default=math.inf)
        for place in line:
            if place.need.tokens > most and self._line.leave(place):
                place.who.set_exception(NoRoom("too_large", wait_s=_NEVER_S))

    def _refuse(self, refusal: NoRoom) -> None:
        waiting = self._line.dismiss()
        over, tenants = self._over_share, {place.tenant for place in waiting}
        for place in waiting:
            alone = place.tenant in over and len(tenants) > 1
            wait_s = refusal.wait_s
            if alone and self.view is not None:
                wait_s = max(wait_s, self.view.over_s.get(place.tenant, 0.0))
            place.who.set_exception(NoRoom(refusal.why, wait_s=wait_s, over_share=alone))

    def _turn_away(self, error: BaseException) -> None:
        for place in self._line.dismiss():
            place.who.set_exception(error)

    @property
    def _over_share(self) -> Mapping[str, float]:
        return self.view.over if self.view is not None else {}

    def _believe(self, denied: Denied) -> None:
        now = self._monotonic()
        believed_s = denied.wait_s
        if denied.why not in {"told", "circuit"}:
            believed_s = min(believed_s, self._rules.allowance.minute_s * _LOOK_AGAIN_SHARE)
        self._denied = denied, now, now + believed_s

    @property
    def _life_s(self) -> float:
        return self._rules.allowance.minute_s * LONGEST_LEASE_SHARE

    def _likely_soon(self) -> int:
        """Calls to be leased before they are asked for: as many as came lately in such a time."""
        recent = self._recent.count(self._monotonic(), over_s=self._life_s)
        return min(_MOST_AHEAD, round(recent * _AHEAD_LIVES))

    def _return_lease(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            self._news.returned(lease)

    async def _visit(self, needs: tuple[Need, ...], *, any_order: int) -> Grant | Denied | None:
        async with self._visiting:
            if needs or (self._lease is not None and self._monotonic() >= self._lease.ends_at):
                self._return_lease()
            visit = Visit(
                owner=self._owner,
                held=self._in_flight + (self._lease.calls if self._lease else 0),
                needs=needs,
                any_order=any_order,
                ahead=self._likely_soon(),
                typical_tokens=self._typical_tokens,
                spare_tokens=int(self._spare_tokens),
                wanted=self._wanted,
                keep_s=self._keep_s,
            )
            visit = self._news.carried(visit)
            visited = await self._books.visit(self.bucket, visit, self._rules, last=self._last)
            self._last, self._visited_at, self.view = visited.last, self._monotonic(), visited.view
            if isinstance(visited.answer, Grant):
                grant = visited.answer
                self._lease = Lease(grant, visited.last, grant.calls, grant.tokens)
                self._denied = None
            elif visited.answer is None and visited.view.room_in_s <= 0:
                self._denied = None  # there is room again: whoever is asked must not be told otherwise
            return visited.answer
