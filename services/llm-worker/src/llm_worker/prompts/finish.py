"""The last look at an answer before it is kept: guarded, and its amounts held against what was stated."""

from decimal import Decimal

from llm_worker.catalogue.figures import amounts_in, unknown_amounts
from llm_worker.prompt import Prompt
from llm_worker.prompts.composed import ComposedPrompt
from llm_worker.prompts.guard import gives_away, guarded, hosts_in
from posta.domain.language import Language
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_WITHHELD: dict[Language, str] = {
    "en": "I cannot help with that, but I am glad to answer another question.",
    "es": "No puedo ayudarte con eso, pero responderé con gusto a otra pregunta.",
}
_CHECK: dict[Language, str] = {
    "en": "Please check the price on the product's page before you order.",
    "es": "Comprueba el precio en la página del producto antes de pedir.",
}


def finished(text: str, prompt: Prompt, language: Language) -> str:
    """What the person is shown of what a model wrote to ``prompt``."""
    if gives_away(text, prompt.system):
        names.LLM_WITHHELD.inc()
        log.warning("answer_withheld", reason="it repeats the instruction")
        return _WITHHELD[language]
    text = guarded(text, allowed_hosts=hosts_in(prompt.system, prompt.user))
    if isinstance(prompt, ComposedPrompt) and prompt.parts.catalogue:
        # The amounts of the instruction, the products and the person count as stated.
        unstated = unknown_amounts(text, stated=_stated(prompt))
        if unstated:
            names.LLM_UNSTATED_AMOUNTS.inc(len(unstated))
            log.warning("answer_states_other_amounts", count=len(unstated))
            text = f"{text}\n\n{_CHECK[language]}"
    return text


def _stated(prompt: ComposedPrompt) -> frozenset[Decimal]:
    return frozenset(amounts_in(f"{prompt.system}\n{prompt.user}"))
