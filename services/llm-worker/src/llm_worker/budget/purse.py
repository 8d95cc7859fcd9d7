"""What one worker may spend at one model: a small lease from the group's book, and the line in front of it.

    reserve ─▶ lease has room ──────────────────────────▶ Reservation ─▶ call ─▶ settle or give_back
           └─▶ line up ─▶ one visit for all that wait ─┬▶ a lease: served in turn
                                                       └▶ NoRoom for the rest: why, and until when

In the steady state a call costs no round trip: leases come in batches, and what was spent goes back
with the next visit. A lease is used within moments or given back; of a crash the book needs no word.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from llm_worker.budget.books import Books, LastVisit
from llm_worker.budget.queue import Waiting, in_turn
from llm_worker.budget.visit import Denied, Grant, Need, Rules, Spent, View, Visit
from llm_worker.circuit.breaker import Proof, Report
from llm_worker.providers.told import NOTHING, Told
from posta.errors import Failure
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_MOST_NEEDS = 64
"""In one visit; the others come with the next."""
_MOST_AHEAD = 32
_SMOOTHING = 0.2
_LOOK_AGAIN_SHARE = 1 / 20
"""Of a minute: a refusal is not believed longer, because others may give room back."""


class NoRoom(Exception):
    """There is no room for this call now; nothing was spent."""

    def __init__(self, why: str, *, wait_s: float, over_share: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.wait_s = wait_s
        self.over_share = over_share
        """Only this tenant has to wait; others may have room."""


@dataclass(slots=True)
class _Lease:
    """What is left of a grant."""

    grant: Grant
    last: LastVisit
    calls: int
    tokens: int

    @property
    def ends_at(self) -> float:
        """On our monotonic clock; the group's clock has then moved at most so far."""
        return self.last.begun + self.grant.life_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """The right to make one call, until ``ends_at`` on the monotonic clock."""

    need: Need
    leased_until: float
    last: LastVisit
    ends_at: float
    canary: int | None


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
        self._lease: _Lease | None = None
        self._in_flight = 0
        self._waiting: list[Waiting[asyncio.Future[Reservation]]] = []
        self._arrivals = itertools.count()
        self._serving: asyncio.Task[None] | None = None
        self._visiting = asyncio.Lock()
        self._denied: tuple[Denied, float, float] | None = None
        """The refusal, when it was given, and until when it is believed."""
        self._spent: list[Spent] = []
        self._reports: list[Report] = []
        self._told: list[tuple[Told, float]] = []
        """With the time at which it was told."""
        self._questions: dict[str, int] = {}
        self._recent = 0.0
        """Calls between visits, smoothed: how many to lease ahead."""
        self._since_visit = 0
        self._typical_tokens = 0
        self._last: LastVisit | None = None
        self._visited_at = 0.0
        self.view: View | None = None

    def use(self, rules: Rules) -> None:
        """Keep to these rules from the next visit on."""
        self._rules = rules
        self._denied = None

    async def reserve(self, need: Need, *, tenant: str) -> Reservation:
        """The right to one call. Raises ``NoRoom``, or ``Unavailable`` while the book cannot be read."""
        self._typical_tokens = max(need.tokens, int(self._typical_tokens * (1 - _SMOOTHING)))
        if not self._waiting:
            reservation = self._take(need, tenant)
            if reservation is not None:
                return reservation
        future: asyncio.Future[Reservation] = asyncio.get_running_loop().create_future()
        waiting = Waiting(arrival=next(self._arrivals), need=need, tenant=tenant, who=future)
        self._waiting.append(waiting)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve(), name=f"purse {self.bucket}")
        try:
            return await future
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            elif future.done() and not future.cancelled() and future.exception() is None:
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
        last = reservation.last
        self._spent.append(
            Spent(
                leased_until=reservation.leased_until,
                used_at=last.at + max(0.0, begun - last.begun),
                leased_calls=1,
                leased_tokens=reservation.need.tokens,
                tokens=tokens,
            )
        )
        self._report(reservation, report)
        if told:
            self._told.append((told, self._monotonic() if told_at is None else told_at))
            if told.retry_after_s is not None:
                denied = Denied(why="told", wait_s=told.retry_after_s)
                self._believe(denied)

    def give_back(self, reservation: Reservation) -> None:
        """The call was not made."""
        self._in_flight -= 1
        self._spent.append(
            Spent(
                leased_until=reservation.leased_until,
                used_at=None,
                leased_calls=1,
                leased_tokens=reservation.need.tokens,
            )
        )
        self._denied = None
        if reservation.canary is not None:
            self._reports.append(Report(canary=(reservation.canary, Proof.NOTHING)))

    @property
    def is_dirty(self) -> bool:
        """Whether the book should hear of us soon."""
        lease_over = self._lease is not None and self._monotonic() >= self._lease.ends_at
        news = bool(self._spent or self._reports or self._told or lease_over)
        silent_s = self._monotonic() - self._visited_at
        # Also when nothing happened: whoever was away for long could not tell a set clock from a true one.
        return news or silent_s > self._keep_s / 3

    @property
    def is_urgent_news(self) -> bool:
        """Whether the book should hear of us at once: something failed, or a limit was told by a refusal."""
        return any(r.failed or r.canary for r in self._reports) or any(
            told.retry_after_s is not None for told, _ in self._told
        )

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
        await self._visit(())
        if self.view is None:
            raise AssertionError("a visit leaves a view")
        return self.view

    async def close(self) -> None:
        """Give back what is leased. Raises ``Unavailable``; then it ages out by itself."""
        if self._lease is not None or self.is_dirty:
            self._return_lease()
            await self._visit(())

    def _report(self, reservation: Reservation, report: Report) -> None:
        if reservation.canary is not None:
            proof = Proof.FAILED if report.failed else Proof.LIVED if report.ok else Proof.NOTHING
            self._reports.append(Report(canary=(reservation.canary, proof)))
            self._denied = None
        elif report.failed or not self._reports or self._reports[-1].failed or self._reports[-1].canary:
            self._reports.append(report)
        else:
            self._reports[-1] = replace(self._reports[-1], ok=self._reports[-1].ok + report.ok)

    def _take(self, need: Need, tenant: str) -> Reservation | None:
        lease = self._lease
        if lease is None or lease.calls < 1 or lease.tokens < need.tokens:
            return None
        if self._monotonic() >= lease.ends_at:
            return None
        lease.calls -= 1
        lease.tokens -= need.tokens
        self._in_flight += 1
        self._since_visit += 1
        self._questions[tenant] = self._questions.get(tenant, 0) + 1
        return Reservation(
            need=need,
            leased_until=lease.grant.use_until,
            last=lease.last,
            ends_at=lease.ends_at,
            canary=lease.grant.canary,
        )

    async def _serve(self) -> None:
        """Serve the line until it is empty; what cannot be served is told so."""
        await asyncio.sleep(0)  # all that came at once line up first
        while self._waiting:
            line = in_turn(self._waiting, over_share=self._over_share)
            self._hand_out(line)
            if not self._waiting:
                return
            refusal = self.refusal()
            try:
                if refusal is None:
                    line = in_turn(self._waiting, over_share=self._over_share)[:_MOST_NEEDS]
                    answer = await self._visit(tuple(one.need for one in line))
                    if isinstance(answer, Denied):
                        self._believe(answer)
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

    def _hand_out(self, line: list[Waiting[asyncio.Future[Reservation]]]) -> None:
        for one in line:
            if one.who.done():
                self._waiting.remove(one)
                continue
            reservation = self._take(one.need, one.tenant)
            if reservation is None:
                return  # whoever is first is not overtaken by somebody smaller
            self._waiting.remove(one)
            one.who.set_result(reservation)

    def _refuse(self, refusal: NoRoom) -> None:
        waiting, self._waiting = self._waiting, []
        over, tenants = self._over_share, {one.tenant for one in waiting}
        for one in waiting:
            alone = one.tenant in over and len(tenants) > 1
            wait_s = refusal.wait_s
            if alone and self.view is not None:
                wait_s = max(wait_s, self.view.over_s.get(one.tenant, 0.0))
            if not one.who.done():
                one.who.set_exception(NoRoom(refusal.why, wait_s=wait_s, over_share=alone))

    def _turn_away(self, error: BaseException) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.who.done():
                one.who.set_exception(error)

    @property
    def _over_share(self) -> Mapping[str, float]:
        return self.view.over if self.view is not None else {}

    def _believe(self, denied: Denied) -> None:
        now = self._monotonic()
        believed_s = denied.wait_s
        if denied.why not in {"told", "circuit"}:
            believed_s = min(believed_s, self._rules.allowance.minute_s * _LOOK_AGAIN_SHARE)
        self._denied = denied, now, now + believed_s

    def _return_lease(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None and lease.calls:
            self._spent.append(
                Spent(
                    leased_until=lease.grant.use_until,
                    used_at=None,
                    leased_calls=lease.calls,
                    leased_tokens=lease.tokens,
                )
            )
            if lease.grant.canary is not None:
                self._reports.append(Report(canary=(lease.grant.canary, Proof.NOTHING)))
        elif lease is not None and lease.tokens:
            self._spent.append(
                Spent(
                    leased_until=lease.grant.use_until,
                    used_at=None,
                    leased_calls=0,
                    leased_tokens=lease.tokens,
                )
            )

    async def _visit(self, needs: tuple[Need, ...]) -> Grant | Denied | None:
        async with self._visiting:
            if needs or (self._lease is not None and self._monotonic() >= self._lease.ends_at):
                self._return_lease()
            self._recent += _SMOOTHING * (self._since_visit - self._recent)
            self._since_visit = 0
            visit = Visit(
                owner=self._owner,
                spent=tuple(self._spent),
                reports=tuple(self._reports),
                told=tuple(replace(told, age_s=max(0.0, self._monotonic() - at)) for told, at in self._told),
                questions=self._questions,
                held=self._in_flight + (self._lease.calls if self._lease else 0),
                needs=needs,
                ahead=min(_MOST_AHEAD, round(self._recent)),
                typical_tokens=self._typical_tokens,
                keep_s=self._keep_s,
            )
            # What is under way is not told again: if the answer is lost, the book errs on the safe side.
            self._spent, self._reports, self._told, self._questions = [], [], [], {}
            visited = await self._books.visit(self.bucket, visit, self._rules, last=self._last)
            self._last, self._visited_at, self.view = visited.last, self._monotonic(), visited.view
            if isinstance(visited.answer, Grant):
                grant = visited.answer
                self._lease = _Lease(grant, visited.last, grant.calls, grant.tokens)
                self._denied = None
            return visited.answer
