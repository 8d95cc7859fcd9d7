"""Where the handler tells what was spent and saved, and how budgets are spoken of in log and metrics."""

from collections.abc import Iterable
from typing import Protocol
from uuid import UUID

from llm_worker.providers.completion import Outcome
from llm_worker.spending.call import Call, Ended
from llm_worker.spending.ledger import Uncalled
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
FROM_DELIVERY = "delivery"
"""An answer that was paid for before, found when its question came again."""
_LOST_CLAIM = "lost_claim"


class Accounts(Protocol):
    """Writes soon; see ``llm_worker.spending.ledger.Ledger``."""

    def note(self, uncalled: Uncalled) -> None:
        """An answer needed no call."""

    def settle(self, ended: Iterable[Ended], *, used: UUID | None = None) -> None:
        """Calls ended, and that could not be written with their claim."""


class NoAccounts:
    """Keeps nothing."""

    def note(self, uncalled: Uncalled) -> None:
        """See ``Accounts``."""

    def settle(self, ended: Iterable[Ended], *, used: UUID | None = None) -> None:
        """See ``Accounts``."""


def note_warning(call: Call) -> None:
    """The share of a budget is reached at which the operator is warned."""
    names.LLM_BUDGET.labels("warned").inc()
    limit = call.limit
    log.warning(
        "llm_budget_nearly_used_up",
        tenant=call.tenant,
        share=limit.warn_at,
        cost=None if limit.cost is None else str(limit.cost),
        tokens=limit.tokens,
    )


def note_refused(tenant: str, *, event_id: str, first: bool) -> None:
    """A question was not asked because its tenant's budget of today is used up."""
    names.LLM_BUDGET.labels("refused").inc()
    if first:
        names.LLM_BUDGET.labels("stopped").inc()
        log.error("llm_budget_used_up", tenant=tenant, event_id=event_id)
    else:
        log.info("question_over_budget", tenant=tenant, event_id=event_id)


def note_lost(ended: Iterable[Ended], *, used: UUID | None) -> None:
    """An answer was paid for in vain: another worker had taken the question over."""
    for one in ended:
        if one.call.id == used and one.outcome == Outcome.OK.value:
            names.LLM_COST_WASTED.labels(one.call.model, _LOST_CLAIM).inc(float(one.cost))
