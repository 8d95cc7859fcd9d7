"""Room in a book that is not the visitor's: what other workers wait for, and how long it is kept for them.

urgent ones elsewhere     as much as they need, if the visitor asks for nothing urgent
room for several          an equal part for each that waits
room for one              whoever was turned away first, unless it is too little for it
waited for a quarter of   as many tokens as it needs, so that small questions of others do not
a minute or more          keep the window too full for it
"""

import math
from dataclasses import dataclass

from llm_worker.budget.allowance import Window
from llm_worker.budget.book import Book, Want
from llm_worker.budget.visit import Need, Rules, Visit

_PASSED_OVER_MINUTES = 1 / 4
"""So long room that is too little for a worker that waits is left to others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Room that is not the visitor's."""

    calls: int = 0
    tokens: int = 0


def kept_for_others(book: Book, visit: Visit, rules: Rules) -> Kept:
    """What of the room belongs to other workers that wait; see the module."""
    is_urgent = visit.needs[0].is_urgent
    mine = book.wants.get(visit.owner)
    me = (book.now if mine is None else mine.since, visit.owner)
    free = _free(book, rules)
    tokens = min((room for window, room in free if window.counts_tokens), default=math.inf)
    others = {
        owner: want
        for owner, want in book.wants.items()
        if owner != visit.owner and not _may_be_passed_over(book, want, tokens, rules)
    }
    before = 0 if is_urgent else sum(want.urgent for want in others.values())
    peers = [
        ((want.since, owner), want.urgent if is_urgent else want.standard)
        for owner, want in others.items()
        if (want.urgent if is_urgent else want.standard)
    ]
    typical = _typical(visit.needs)
    room = min((room // (typical if window.counts_tokens else 1) for window, room in free), default=math.inf)
    room -= before
    if room > len(peers):
        part = int(room // (len(peers) + 1)) if math.isfinite(room) else 0
        calls = before + sum(min(wanted, part) for _, wanted in peers)
    else:
        calls = before + sum(peer < me for peer, _ in peers)
    # Many small ones could keep a window too full for a large one for ever.
    enough = sum(
        want.least
        for owner, want in others.items()
        if (want.urgent and not is_urgent) or (_is_overdue(book, want, rules) and (want.since, owner) < me)
    )
    return Kept(calls=calls, tokens=max(calls * typical, enough))


def _typical(needs: tuple[Need, ...]) -> int:
    return max(1, *(need.tokens for need in needs))


def _is_overdue(book: Book, want: Want, rules: Rules) -> bool:
    return book.now - want.since >= _PASSED_OVER_MINUTES * rules.allowance.minute_s


def _may_be_passed_over(book: Book, want: Want, tokens: float, rules: Rules) -> bool:
    """Whether ``tokens``, which are free, are too few for all that it waits with, none urgent or for long."""
    return want.least > tokens and not want.urgent and not _is_overdue(book, want, rules)


def _free(book: Book, rules: Rules) -> list[tuple[Window, int]]:
    """What is free of each window of which a limit is known."""
    limits = ((window, book.limit_of(window, rules.allowance)) for window in rules.allowance.windows)
    return [
        (window, limit - book.counts_of(window).used(book.now))
        for window, limit in limits
        if limit is not None
    ]


def held_by_others(book: Book, visit: Visit) -> int:
    """Calls that other workers have under way or leased."""
    return sum(one.calls for owner, one in book.holders.items() if owner != visit.owner)
