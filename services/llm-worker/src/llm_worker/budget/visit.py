"""A visit to the book of a bucket: what a worker did since the last one is entered, and it asks for more.

    worker ─▶ spent, returned, reports, told ─▶ book
           ─▶ needs ────────────────────────▶ room? ──▶ Grant (calls, tokens, usable for a moment)
                                                   └──▶ Denied (why, and when to come again)

Pure: ``attend`` is given the book and the time. Whoever stores the book calls it while he holds it alone.
"""

import math
from dataclasses import dataclass, field, replace

from llm_worker.budget.allowance import Allowance, Window
from llm_worker.budget.book import Book, Holder, Refusal, ToldLimit, Want
from llm_worker.budget.shares import SharePolicy, forget_drained, used
from llm_worker.budget.steady import Seen, advance
from llm_worker.circuit.breaker import Canary, Circuit, Closed, HalfOpen, Open, Refused, Report
from llm_worker.providers.told import LimitTold, Told

_BUSY_SHARE = 0.5
"""Beyond so much use a lease is short: what is leased and not used is lost to the others."""
_LIFE_MINUTES, _BUSY_LIFE_MINUTES = 1 / 30, 1 / 60
_LATE_MINUTES = 1 / 60
"""So long after it could come again, a worker that was turned away is no longer believed to wait."""
_SLOT_AGAIN_S = 0.2
"""When to ask again for a free slot: nobody knows when a call ends."""
_INFERRED_S = 600.0
_TELLING = 3
"""Fewer calls before a refusal say nothing about a limit."""
_CIRCUITS = {Closed: "closed", Open: "open", HalfOpen: "half_open"}
_NEVER_S = 3600.0
"""A need larger than its limit is asked about again after an hour: limits change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Part of a lease that was used, or (``calls`` 0) is given back."""

    leased_until: float
    """The lease it came from, by the end of its use; also where it counts now."""
    used_at: float | None
    """When the call was on its way; None: it was not used."""
    leased_calls: int
    leased_tokens: int
    tokens: int = 0
    """What it came to; meaningless if it was not used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One question's wish."""

    tokens: int
    """The most that the call can come to, prompt and answer."""
    is_urgent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Everything a worker brings."""

    owner: str
    seen: Seen | None = None
    spent: tuple[Spent, ...] = ()
    reports: tuple[Report, ...] = ()
    told: tuple[Told, ...] = ()
    questions: dict[str, int] = field(default_factory=dict)
    """How many questions of each tenant were asked since the last visit."""
    held: int = 0
    """Calls in flight now, leased ones included."""
    needs: tuple[Need, ...] = ()
    """Of questions that wait, best first."""
    ahead: int = 0
    """Calls more that are likely soon: leased too, when there is plenty."""
    typical_tokens: int = 0
    """Of one of those."""
    keep_s: float = 15.0
    """How long its word counts unless it comes again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What may be used until ``use_until``, on the group's clock."""

    calls: int
    tokens: int
    use_until: float
    life_s: float
    canary: int | None = None
    """If set, the one call is the circuit's canary, to be reported under this number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """Nothing, for now."""

    why: str
    """``circuit``, ``told``, ``concurrency``, ``others`` or a window's name."""
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowUse:
    """One window as an operator wants to see it."""

    name: str
    used: int
    limit: int | None
    frees_in_s: float
    """Until the next part of it is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The bucket after the visit."""

    at: float
    windows: tuple[WindowUse, ...]
    in_flight: int
    waiting: int
    """Questions of other workers that were turned away."""
    closed_s: float
    circuit: str
    circuit_s: float
    """Until the circuit lets a canary through; 0 unless it is open."""
    trips: int
    over_s: dict[str, float]
    """Tenants above their share, and for how long still."""
    over: dict[str, float]
    """The same tenants, and how many questions they had beyond it."""
    room_in_s: float
    """Until one typical call would be let through; 0: now."""
    room_why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is the same for every visit to one bucket."""

    allowance: Allowance
    circuit: Circuit = field(default_factory=Circuit)
    shares: SharePolicy = field(default_factory=SharePolicy)

    def drain_per_s(self, book: Book) -> float:
        """How fast a tenant's level drains."""
        window = self.allowance.windows[0]
        return self.shares.drain_per_s(book.limit_of(window, self.allowance), window.length_s)


def attend(
    book: Book, visit: Visit, rules: Rules, *, database_now: float
) -> tuple[Grant | Denied | None, View]:
    """Enter what ``visit`` brings into ``book`` and answer its needs; None when it needs nothing."""
    book.steady = advance(book.steady, database_now=database_now, seen=visit.seen)
    book.forget_gone()
    _enter(book, visit, rules)
    answer = _answer(book, visit, rules) if visit.needs else None
    if answer is None:
        book.wants.pop(visit.owner, None)
    leased = answer.calls if isinstance(answer, Grant) else 0
    if visit.held + leased:
        book.holders[visit.owner] = Holder(calls=visit.held + leased, until=book.now + visit.keep_s)
    else:
        book.holders.pop(visit.owner, None)
    return answer, _view(book, visit, rules)


def _enter(book: Book, visit: Visit, rules: Rules) -> None:
    for spent in visit.spent:
        for window in rules.allowance.windows:
            counts = book.counts_of(window)
            counts.take_back(
                spent.leased_tokens if window.counts_tokens else spent.leased_calls, spent.leased_until
            )
            if spent.used_at is not None:
                counts.add(
                    spent.tokens if window.counts_tokens else spent.leased_calls,
                    spent.used_at,
                )
    for report in visit.reports:
        book.circuit = rules.circuit.record(book.circuit, report, book.now)
    for told in visit.told:
        _learn(book, told, rules)
    drain = rules.drain_per_s(book)
    for tenant, questions in visit.questions.items():
        used(book.levels, tenant, questions, now=book.now, drain_per_s=drain)
    forget_drained(book.levels, now=book.now, drain_per_s=drain)


def _learn(book: Book, told: Told, rules: Rules) -> None:
    windows = {window.name: window for window in rules.allowance.windows}
    for one in told.limits:
        window = windows[one.window]
        book.told[one.window] = ToldLimit(limit=one.limit)
        if one.remaining is not None:
            _notice_others(book, window, one)
    if told.retry_after_s is None:
        return
    if book.now >= book.closed_until:
        _infer(book, windows["rpm"], told, rules)
    book.closed_until = max(book.closed_until, book.now + told.retry_after_s)


def _infer(book: Book, rpm: Window, told: Told, rules: Rules) -> None:
    """Refused again although we waited as told, and without a number: what went through is the limit."""
    went_through = book.counts_of(rpm).used(book.now) - 1
    before, book.refused = book.refused, Refusal(at=book.now, went_through=went_through)
    if told.limits or before is None or book.limit_of(rpm, rules.allowance) is not None:
        return
    limit = min(went_through, before.went_through)
    if limit >= _TELLING and book.now - book.closed_until < rpm.length_s:
        book.told["rpm"] = ToldLimit(limit=limit, until=book.now + _INFERRED_S)


def _notice_others(book: Book, window: Window, told: LimitTold) -> None:
    """What the provider counts and we do not was used by somebody else with the same account."""
    counts = book.counts_of(window)
    others = told.limit - (told.remaining or 0) - counts.used(book.now)
    if others > 0:
        reset_s = window.length_s if told.reset_s is None else min(told.reset_s, window.length_s)
        counts.add_until(others, book.now + reset_s)


def _answer(book: Book, visit: Visit, rules: Rules) -> Grant | Denied:
    refusal = _refusal(book, rules)
    if refusal is not None:
        return _turned_away(book, visit, refusal, rules)
    most = _free_slots(book, visit, rules)
    if most <= 0:
        return _turned_away(book, visit, Denied(why="concurrency", wait_s=_SLOT_AGAIN_S), rules)
    kept = _kept_for_others(book, visit, rules)
    needs, denied = _fitting(book, visit.needs[:most], rules, kept)
    if not needs:
        return _turned_away(book, visit, denied or Denied(why="others", wait_s=_SLOT_AGAIN_S), rules)
    book.circuit, admission = rules.circuit.admit(book.circuit, book.now, owner=visit.owner)
    if isinstance(admission, Refused):
        wait_s = admission.until - book.now
        return _turned_away(book, visit, Denied(why="circuit", wait_s=wait_s), rules)
    number = admission.number if isinstance(admission, Canary) else None
    if number is not None:
        needs = needs[:1]
    elif len(needs) == len(visit.needs) and not kept:
        spare = min(visit.ahead, most - len(needs))
        needs += _ahead(book, needs, spare, visit.typical_tokens, rules)
    left = visit.needs[len(needs) :]
    if left:
        _want(book, visit, left, since=book.now, wait_s=0.0, rules=rules)
    else:
        book.wants.pop(visit.owner, None)
    return _granted(book, needs, rules, canary=number)


def _refusal(book: Book, rules: Rules) -> Denied | None:
    if book.now < book.closed_until:
        return Denied(why="told", wait_s=book.closed_until - book.now)
    refused = rules.circuit.look(book.circuit, book.now)
    return None if refused is None else Denied(why="circuit", wait_s=refused.until - book.now)


def _free_slots(book: Book, visit: Visit, rules: Rules) -> int:
    limit = rules.allowance.concurrency
    if limit is None:
        return len(visit.needs) + visit.ahead
    others = sum(one.calls for owner, one in book.holders.items() if owner != visit.owner)
    return limit - others - visit.held


def _kept_for_others(book: Book, visit: Visit, rules: Rules) -> int:
    """Calls that belong to other workers that wait: all that are more urgent, and an equal part of the rest.

    When there is less room than workers, it goes to those that were turned away first.
    """
    is_urgent = visit.needs[0].is_urgent
    mine = book.wants.get(visit.owner)
    me = (book.now if mine is None else mine.since, visit.owner)
    others = {owner: want for owner, want in book.wants.items() if owner != visit.owner}
    before = 0 if is_urgent else sum(want.urgent for want in others.values())
    peers = [
        ((want.since, owner), want.urgent if is_urgent else want.standard)
        for owner, want in others.items()
        if (want.urgent if is_urgent else want.standard)
    ]
    room = _room_calls(book, visit, rules) - before
    if room > len(peers):
        part = int(room // (len(peers) + 1)) if math.isfinite(room) else 0
        return before + sum(min(wanted, part) for _, wanted in peers)
    return before + sum(peer < me for peer, _ in peers)


def _room_calls(book: Book, visit: Visit, rules: Rules) -> float:
    """How many calls of the kind that is asked for there is room for; infinite without a known limit."""
    typical = max(1, *(need.tokens for need in visit.needs))
    room = math.inf
    for window in rules.allowance.windows:
        limit = book.limit_of(window, rules.allowance)
        if limit is not None:
            free = limit - book.counts_of(window).used(book.now)
            room = min(room, free // (typical if window.counts_tokens else 1))
    return room


def _fitting(
    book: Book, needs: tuple[Need, ...], rules: Rules, kept: int
) -> tuple[tuple[Need, ...], Denied | None]:
    """The first of ``needs`` that fit every window beside ``kept`` calls, and why no more do."""
    fit, denied = len(needs), None
    typical = max(need.tokens for need in needs)
    for window in rules.allowance.windows:
        limit = book.limit_of(window, rules.allowance)
        if limit is None:
            continue
        counts = book.counts_of(window)
        room = limit - counts.used(book.now) - kept * (typical if window.counts_tokens else 1)
        number, taken = 0, 0
        while number < fit:
            taken += needs[number].tokens if window.counts_tokens else 1
            if taken > room:
                break
            number += 1
        if number < fit:
            fit = number
            amount = needs[0].tokens if window.counts_tokens else 1
            amount += kept * (typical if window.counts_tokens else 1)
            denied = _until(counts.free_at(min(amount, max(limit, 1)), limit, book.now), window, book)
            if window.counts_tokens and needs[0].tokens > limit:
                denied = Denied(why="too_large", wait_s=_NEVER_S)
    return needs[:fit], denied


def _until(free_at: float, window: Window, book: Book) -> Denied:
    wait_s = _NEVER_S if math.isinf(free_at) else free_at - book.now
    return Denied(why=window.name, wait_s=max(wait_s, window.length_s / 2000))


def _ahead(book: Book, needs: tuple[Need, ...], spare: int, tokens: int, rules: Rules) -> tuple[Need, ...]:
    """Calls for questions that are likely soon; none when more than half is used already."""
    if spare <= 0 or _is_busy(book, needs, rules):
        return ()
    extra = (Need(tokens=tokens),) * spare
    fit, _ = _fitting(book, needs + extra, rules, 0)
    return fit[len(needs) :][: max(0, spare)]


def _is_busy(book: Book, needs: tuple[Need, ...], rules: Rules) -> bool:
    for window in rules.allowance.windows:
        limit = book.limit_of(window, rules.allowance)
        if limit is not None:
            asked = sum(need.tokens for need in needs) if window.counts_tokens else len(needs)
            if book.counts_of(window).used(book.now) + asked > _BUSY_SHARE * limit:
                return True
    return False


def _granted(book: Book, needs: tuple[Need, ...], rules: Rules, *, canary: int | None) -> Grant:
    minutes = _BUSY_LIFE_MINUTES if _is_busy(book, needs, rules) else _LIFE_MINUTES
    life_s = minutes * rules.allowance.minute_s
    tokens = sum(need.tokens for need in needs)
    use_until = book.now + life_s
    for window in rules.allowance.windows:
        book.counts_of(window).add(tokens if window.counts_tokens else len(needs), use_until)
    return Grant(calls=len(needs), tokens=tokens, use_until=use_until, life_s=life_s, canary=canary)


def _turned_away(book: Book, visit: Visit, denied: Denied, rules: Rules) -> Denied:
    mine = book.wants.get(visit.owner)
    since = book.now if mine is None else mine.since
    _want(book, visit, visit.needs, since=since, wait_s=denied.wait_s, rules=rules)
    return denied


def _want(
    book: Book, visit: Visit, needs: tuple[Need, ...], *, since: float, wait_s: float, rules: Rules
) -> None:
    urgent = sum(need.is_urgent for need in needs)
    until = book.now + wait_s + _LATE_MINUTES * rules.allowance.minute_s
    book.wants[visit.owner] = Want(urgent=urgent, standard=len(needs) - urgent, since=since, until=until)


def _view(book: Book, visit: Visit, rules: Rules) -> View:
    windows = tuple(_use(book, window, rules) for window in rules.allowance.windows)
    refusal = _refusal(book, rules)
    if refusal is None:
        need = Need(tokens=max(1, visit.typical_tokens))
        _, refusal = _fitting(book, (need,), rules, 0)
    if refusal is None and _free_slots(book, replace(visit, needs=(), ahead=1), rules) <= 0:
        refusal = Denied(why="concurrency", wait_s=_SLOT_AGAIN_S)
    drain = rules.drain_per_s(book)
    over = {
        tenant: rules.shares.over_s(level, now=book.now, drain_per_s=drain)
        for tenant, level in book.levels.items()
    }
    opened = rules.circuit.look(book.circuit, book.now)
    return View(
        at=book.now,
        windows=windows,
        in_flight=sum(one.calls for one in book.holders.values()),
        waiting=sum(w.urgent + w.standard for owner, w in book.wants.items() if owner != visit.owner),
        closed_s=max(0.0, book.closed_until - book.now),
        circuit=_CIRCUITS[type(book.circuit)],
        circuit_s=opened.until - book.now if opened else 0.0,
        trips=book.circuit.trips,
        over_s={tenant: wait_s for tenant, wait_s in over.items() if wait_s > 0},
        over={tenant: wait_s * drain for tenant, wait_s in over.items() if wait_s > 0},
        room_in_s=refusal.wait_s if refusal else 0.0,
        room_why=refusal.why if refusal else "",
    )


def _use(book: Book, window: Window, rules: Rules) -> WindowUse:
    counts = book.counts_of(window)
    amount, limit = counts.used(book.now), book.limit_of(window, rules.allowance)
    ends = min(counts.by_end, default=None)
    frees_in_s = max(0.0, ends * window.step_s - book.now) if ends is not None else 0.0
    return WindowUse(name=window.name, used=amount, limit=limit, frees_in_s=frees_in_s)
