"""Whether there is room for what a worker needs, and how it is divided: a grant, or why not until when."""

import math
from dataclasses import replace

from llm_worker.budget.allowance import LONGEST_LEASE_SHARE, Window
from llm_worker.budget.book import Book, Want
from llm_worker.budget.visit import Denied, Grant, Need, Rules, Visit
from llm_worker.circuit.breaker import Canary, Refused

_BUSY_SHARE = 0.5
"""Beyond so much use a lease is short: what is leased and not used is lost to the others."""
_LIFE_MINUTES, _BUSY_LIFE_MINUTES = LONGEST_LEASE_SHARE, 1 / 60
_LATE_MINUTES = 1 / 60
"""So long after it could come again, a worker that was turned away is no longer believed to wait."""
_SLOT_AGAIN_S = 0.2
"""When to ask again for a free slot: nobody knows when a call ends."""
_NEVER_S = 3600.0
"""A need larger than its limit is asked about again after an hour: limits change."""


def answer_to(book: Book, visit: Visit, rules: Rules) -> Grant | Denied:
    """The answer to a visit's needs, entered into the book."""
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


def hindrance(book: Book, visit: Visit, rules: Rules) -> Denied | None:
    """Why one typical call of the worker would not be let through now; nothing is entered."""
    refusal = _refusal(book, rules)
    if refusal is None:
        _, refusal = _fitting(book, (Need(tokens=max(1, visit.typical_tokens)),), rules, 0)
    if refusal is None and _free_slots(book, replace(visit, needs=(), ahead=1), rules) <= 0:
        refusal = Denied(why="concurrency", wait_s=_SLOT_AGAIN_S)
    return refusal
