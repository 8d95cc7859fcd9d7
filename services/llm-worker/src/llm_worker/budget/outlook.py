"""How a bucket looks after a visit: for the worker that waits, and for an operator who wonders."""

from llm_worker.budget.allowance import Window
from llm_worker.budget.book import Book
from llm_worker.budget.room import hindrance
from llm_worker.budget.visit import Rules, View, Visit, WindowUse
from llm_worker.circuit.breaker import Closed, HalfOpen, Open

_CIRCUITS = {Closed: "closed", Open: "open", HalfOpen: "half_open"}


def view_of(book: Book, visit: Visit, rules: Rules) -> View:
    """The bucket as ``visit`` leaves it."""
    windows = tuple(_use(book, window, rules) for window in rules.allowance.windows)
    refusal = hindrance(book, visit, rules)
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
    frees_in_s = min((s for end in counts.by_end if (s := end * window.step_s - book.now) > 0), default=0.0)
    return WindowUse(
        name=window.name,
        used=amount,
        limit=limit,
        counts_tokens=window.counts_tokens,
        frees_in_s=frees_in_s,
    )
