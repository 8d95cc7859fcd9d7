"""What a tenant may spend, and what a person hears when it is used up. PURE."""

from collections.abc import Mapping

from llm_worker.spending.call import Limit
from llm_worker.spending.rules import BudgetRules
from posta.domain.language import Language, language_of

USED_UP = "budget"
"""Stands for the model in an answer that says that the budget is used up."""
_USED_UP: Mapping[Language, str] = {
    "en": "I am sorry: I cannot answer any more new questions here today. Please ask me again tomorrow.",
    "es": "Lo siento: hoy ya no puedo responder a más preguntas nuevas aquí. Vuelve a preguntarme mañana.",
}


class BudgetUsedUp(Exception):
    """The tenant's budget of today does not allow this call; nothing was spent."""


def limit_of(tenant: str, rules: BudgetRules) -> Limit:
    """What ``tenant`` may spend on a day: its own rule, or everybody's."""
    daily = rules.tenants.get(tenant, rules.daily)
    return Limit(cost=daily.cost, tokens=daily.tokens, warn_at=rules.warn_at, time_zone=rules.time_zone)


def used_up_text(locale: str) -> str:
    """What the person is told, in their language."""
    return _USED_UP[language_of(locale)]
