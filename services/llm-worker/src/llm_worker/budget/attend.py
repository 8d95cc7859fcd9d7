"""A visit to the book of a bucket: what a worker did since the last one is entered, and it asks for more.

    worker ─▶ spent, returned, reports, told ─▶ book
           ─▶ needs ────────────────────────▶ room? ──▶ Grant (calls, tokens, usable for a moment)
                                                   └──▶ Denied (why, and when to come again)

Pure: ``attend`` is given the book and the time. Whoever stores the book calls it while he holds it alone.
"""

from llm_worker.budget.book import Book, Holder
from llm_worker.budget.learning import learn
from llm_worker.budget.outlook import view_of
from llm_worker.budget.room import answer_to
from llm_worker.budget.shares import forget_drained, used
from llm_worker.budget.steady import advance
from llm_worker.budget.visit import Denied, Grant, Rules, View, Visit


def attend(
    book: Book, visit: Visit, rules: Rules, *, database_now: float
) -> tuple[Grant | Denied | None, View]:
    """Enter what ``visit`` brings into ``book`` and answer its needs; None when it needs nothing."""
    book.steady = advance(book.steady, database_now=database_now, seen=visit.seen)
    book.forget_gone()
    _enter(book, visit, rules)
    answer = answer_to(book, visit, rules) if visit.needs else None
    leased = answer.calls if isinstance(answer, Grant) else 0
    if visit.held + leased:
        book.holders[visit.owner] = Holder(calls=visit.held + leased, until=book.now + visit.keep_s)
    else:
        book.holders.pop(visit.owner, None)
    return answer, view_of(book, visit, rules)


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
        learn(book, told, rules)
    drain = rules.drain_per_s(book)
    for tenant, questions in visit.questions.items():
        used(book.levels, tenant, questions, now=book.now, drain_per_s=drain)
    forget_drained(book.levels, now=book.now, drain_per_s=drain)
