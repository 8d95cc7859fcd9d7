"""Whether there is room for what a worker needs, and how it is divided: a grant, or why not until when."""

import math
from dataclasses import replace

from llm_worker.budget.allowance import LONGEST_LEASE_SHARE, Window
from llm_worker.budget.book import Book, Want
from llm_worker.budget.kept import Kept, held_by_others, kept_for_others
from llm_worker.budget.packing import packed
from llm_worker.budget.visit import Denied, Grant, Need, Rules, Visit
from llm_worker.circuit.breaker import Canary, Refused

_BUSY_SHARE = 0.5
"""Beyond so much use a lease is short: what is leased and not used is lost to the others."""
_LIFE_MINUTES, _BUSY_LIFE_MINUTES = LONGEST_LEASE_SHARE, 1 / 60
_LATE_MINUTES = 1 / 60
"""So long after it could come again, a worker that was turned away is no longer believed to wait."""
_SLOT_AGAIN_S = 0.2
"""When to ask again for a free slot: nobody knows when a call ends."""
_FIRST_AT_ONCE = 4
"""Calls at once to a model of which no limit of requests is known and that has not answered yet."""
_SOON_MINUTES = 1 / 10
"""What ages out within so long is looked ahead to: what is let through at once ages out at once."""
_NEVER_S = 3600.0
"""A need larger than its limit is asked about again after an hour: limits change."""


def answer_to(book: Book, visit: Visit, rules: Rules) -> Grant | Denied:
    """The answer to a visit's needs, entered into the book."""
    refusal = _refusal(book, rules)
    if refusal is not None:
        return _turned_away(book, visit, refusal, rules)
    most, why = _free_slots(book, visit, rules)
    if most <= 0:
        return _turned_away(book, visit, Denied(why=why, wait_s=_SLOT_AGAIN_S), rules)
    kept = kept_for_others(book, visit, rules)
    served, denied = _fitting(
        book, visit.needs, rules, kept, most=most, any_order=visit.any_order, visit=visit
    )
    if not served:
        return _turned_away(book, visit, denied or Denied(why="others", wait_s=_SLOT_AGAIN_S), rules)
    book.circuit, admission = rules.circuit.admit(book.circuit, book.now, owner=visit.owner)
    if isinstance(admission, Refused):
        wait_s = admission.until - book.now
        return _turned_away(book, visit, Denied(why="circuit", wait_s=wait_s), rules)
    number = admission.number if isinstance(admission, Canary) else None
    if number is not None:
        served = served[:1]
    needs = tuple(visit.needs[at] for at in served)
    if number is None and len(needs) == len(visit.needs) and not kept.calls:
        spare = min(visit.ahead, most - len(needs))
        needs += _ahead(book, needs, spare, visit.typical_tokens, rules)
    left = tuple(need for at, need in enumerate(visit.needs) if at not in served)
    if left:
        _want(book, visit, left, since=book.now, wait_s=0.0, rules=rules)
    else:
        book.wants.pop(visit.owner, None)
    return _granted(book, needs, rules, served=served, canary=number)


def _refusal(book: Book, rules: Rules) -> Denied | None:
    if book.now < book.closed_until:
        return Denied(why="told", wait_s=book.closed_until - book.now)
    refused = rules.circuit.look(book.circuit, book.now)
    return None if refused is None else Denied(why="circuit", wait_s=refused.until - book.now)


def _free_slots(book: Book, visit: Visit, rules: Rules) -> tuple[int, str]:
    """How many calls more may be under way at once, and what limits that."""
    limit, why = rules.allowance.concurrency, "concurrency"
    if limit is None and _knows_no_pace(book, rules):
        # As many more as were answered, so that who has a limit tells it before many calls were refused.
        limit, why = _FIRST_AT_ONCE + _ended(book, rules), "unknown"
    if limit is None:
        return len(visit.needs) + visit.ahead, why
    return limit - held_by_others(book, visit) - visit.held, why


def _knows_no_pace(book: Book, rules: Rules) -> bool:
    """Whether nobody said how many requests a minute: what is said of days and tokens bounds no burst."""
    return book.limit_of(rules.allowance.window("rpm"), rules.allowance) is None


def _ended(book: Book, rules: Rules) -> int:
    """Calls of the last 24 hours that are not under way."""
    day = rules.allowance.window("rpd")
    held = sum(one.calls for one in book.holders.values())
    return max(0, book.counts_of(day).used(book.now) - held)


def _fitting(
    book: Book,
    needs: tuple[Need, ...],
    rules: Rules,
    kept: Kept,
    *,
    most: float = math.inf,
    any_order: int = 1,
    visit: Visit | None = None,
) -> tuple[tuple[int, ...], Denied | None]:
    """Which of ``needs`` (positions) fit every window beside what is ``kept``, and why no more do."""
    rooms: list[tuple[Window, int, int]] = []
    calls, tokens, aging = most, math.inf, 0
    for window in rules.allowance.windows:
        limit = book.limit_of(window, rules.allowance)
        if limit is None:
            continue
        not_ours = kept.tokens if window.counts_tokens else kept.calls
        room = limit - book.counts_of(window).used(book.now) - not_ours
        rooms.append((window, limit, room))
        if window.counts_tokens:
            if room < tokens:
                tokens = room
                soon_s = _SOON_MINUTES * rules.allowance.minute_s
                aging = book.counts_of(window).ages_out(book.now, within_s=soon_s)
        else:
            calls = min(calls, room)
    spare = 0 if visit is None else visit.spare_tokens
    under_way = 0 if visit is None else visit.held + held_by_others(book, visit)
    served = packed(
        [need.tokens for need in needs],
        calls=calls,
        tokens=tokens,
        any_order=any_order,
        coming=spare * under_way + aging,
        spare=spare,
    )
    denied = None
    if not served:
        least = min(need.tokens for need in needs[: max(1, any_order)])
        for window, limit, room in rooms:
            amount = least if window.counts_tokens else 1
            if amount > room:
                amount += kept.tokens if window.counts_tokens else kept.calls
                free_at = book.counts_of(window).free_at(min(amount, max(limit, 1)), limit, book.now)
                denied = _until(free_at, window, book)
                if window.counts_tokens and least > limit:
                    denied = Denied(why="too_large", wait_s=_NEVER_S)
    return tuple(served), denied


def _until(free_at: float, window: Window, book: Book) -> Denied:
    wait_s = _NEVER_S if math.isinf(free_at) else free_at - book.now
    return Denied(why=window.name, wait_s=max(wait_s, window.length_s / 2000))


def _ahead(book: Book, needs: tuple[Need, ...], spare: int, tokens: int, rules: Rules) -> tuple[Need, ...]:
    """Calls for questions that are likely soon; none when more than half is used already."""
    if spare <= 0 or _is_busy(book, needs, rules):
        return ()
    extra = (Need(tokens=tokens),) * spare
    fit, _ = _fitting(book, needs + extra, rules, Kept())
    return extra[: max(0, len(fit) - len(needs))]


def _is_busy(book: Book, needs: tuple[Need, ...], rules: Rules) -> bool:
    for window in rules.allowance.windows:
        limit = book.limit_of(window, rules.allowance)
        if limit is not None:
            asked = sum(need.tokens for need in needs) if window.counts_tokens else len(needs)
            if book.counts_of(window).used(book.now) + asked > _BUSY_SHARE * limit:
                return True
    return False


def _granted(
    book: Book, needs: tuple[Need, ...], rules: Rules, *, served: tuple[int, ...], canary: int | None
) -> Grant:
    minutes = _BUSY_LIFE_MINUTES if _is_busy(book, needs, rules) else _LIFE_MINUTES
    life_s = minutes * rules.allowance.minute_s
    tokens = sum(need.tokens for need in needs)
    use_until = book.now + life_s
    for window in rules.allowance.windows:
        book.counts_of(window).add(tokens if window.counts_tokens else len(needs), use_until)
    return Grant(
        calls=len(needs), tokens=tokens, use_until=use_until, life_s=life_s, served=served, canary=canary
    )


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
    # Of those that may go in any order; who is let through only after these fits no sooner.
    least = min(need.tokens for need in needs[: max(1, visit.any_order)])
    book.wants[visit.owner] = Want(
        urgent=urgent, standard=len(needs) - urgent, since=since, until=until, least=least
    )


def hindrance(book: Book, visit: Visit, rules: Rules) -> Denied | None:
    """Why what the worker would ask for next is not let through now; nothing is entered."""
    refusal = _refusal(book, rules)
    if refusal is not None:
        return refusal
    wanted = visit.wanted or Need(tokens=max(1, visit.typical_tokens))
    asking = replace(visit, needs=(wanted,), ahead=0)
    most, why = _free_slots(book, asking, rules)
    if most <= 0:
        return Denied(why=why, wait_s=_SLOT_AGAIN_S)
    served, denied = _fitting(book, asking.needs, rules, kept_for_others(book, asking, rules))
    if served:
        return None
    return denied or Denied(why="others", wait_s=_SLOT_AGAIN_S)
