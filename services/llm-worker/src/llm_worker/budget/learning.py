"""What a provider's answers teach about its limits: named ones, inferred ones, and use that is not ours."""

from llm_worker.budget.allowance import REMEMBERED_SHARE, Window
from llm_worker.budget.book import Book, Refusal, ToldLimit
from llm_worker.budget.visit import Rules
from llm_worker.providers.told import LimitTold, Told

_INFERRED_S = 600.0
_TELLING = 3
"""Fewer calls before a refusal say nothing about a limit."""


def learn(book: Book, told: Told, rules: Rules) -> None:
    """Enter what one answer told of limits."""
    windows = {window.name: window for window in rules.allowance.windows}
    for one in told.limits:
        window = windows[one.window]
        book.told[one.window] = ToldLimit(limit=one.limit)
        if one.remaining is not None:
            _notice_others(book, window, one, told)
    if told.retry_after_s is None:
        return
    if told.is_refusal and book.now >= book.closed_until:
        _infer(book, windows["rpm"], told, rules)
    book.closed_until = max(book.closed_until, book.now + told.retry_after_s - told.age_s)


def _infer(book: Book, rpm: Window, told: Told, rules: Rules) -> None:
    """Refused again although we waited as told, and without a number: what went through is the limit."""
    went_through = book.counts_of(rpm).used(book.now) - 1
    before, book.refused = book.refused, Refusal(at=book.now, went_through=went_through)
    if told.limits or before is None or book.limit_of(rpm, rules.allowance) is not None:
        return
    limit = min(went_through, before.went_through)
    if limit >= _TELLING and book.now - book.closed_until < rpm.length_s:
        book.told["rpm"] = ToldLimit(limit=limit, until=book.now + _INFERRED_S)


def _notice_others(book: Book, window: Window, one: LimitTold, told: Told) -> None:
    """What the provider counted and we did not was used by somebody else with the same account.

    Compared is what both counted when the provider said so: a long answer ends after much of what it
    counted has aged out. A provider may count when it takes the request and answer much later; so whatever
    of ours counted at any moment in between is ours.
    """
    counts = book.counts_of(window)
    at = book.now - told.age_s
    if told.age_s + told.took_s > window.length_s * REMEMBERED_SHARE:
        return  # too long ago to be compared
    others = one.limit - (one.remaining or 0) - counts.used_between(at - told.took_s, at)
    reset_s = window.length_s if one.reset_s is None else min(one.reset_s, window.length_s)
    if others > 0 and at + reset_s > book.now:
        counts.add_until(others, at + reset_s)
