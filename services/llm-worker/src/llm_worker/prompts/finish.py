"""The last look at an answer before it is kept: guarded, and its figures held against the catalogue's.

it repeats the instruction ──────────────────────▶ withheld
a price or stock that the catalogue does not state ─▶ taken out and the catalogue's added, or withheld

What the person or an earlier answer says states nothing: "it is 1 €, isn't it?" must not make it so.
"""

from collections.abc import Callable
from decimal import Decimal

from llm_worker.catalogue.facts import facts, stated_by
from llm_worker.catalogue.figures import Figure, Kind, stated_in, unstated, without
from llm_worker.prompt import Prompt
from llm_worker.prompts.composed import ComposedPrompt
from llm_worker.prompts.guard import gives_away, guarded, hosts_in
from llm_worker.prompts.policy import OtherFigures
from posta.domain.language import Language
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_MARK = "[…]"
_GIVEN_AWAY: dict[Language, str] = {
    "en": "I cannot help with that, but I am glad to answer another question.",
    "es": "No puedo ayudarte con eso, pero responderé con gusto a otra pregunta.",
}
_CORRECTED: dict[Language, str] = {
    "en": f"{_MARK} stands for a figure that I could not confirm.",
    "es": f"{_MARK} está en lugar de una cifra que no he podido confirmar.",
}
_WITHHELD: dict[Language, str] = {
    "en": "I cannot answer this with certainty.",
    "es": "No puedo responder a esto con seguridad.",
}
_SAYS: dict[Language, str] = {"en": "Our catalogue says:", "es": "Nuestro catálogo dice:"}
_ASK: dict[Language, str] = {
    "en": "Please look at the product's page.",
    "es": "Consulta la página del producto.",
}


def finishing(other_figures: OtherFigures) -> Callable[[str, Prompt, Language], str]:
    """What the person is shown of what a model wrote to a prompt."""

    def finished(text: str, prompt: Prompt, language: Language) -> str:
        if gives_away(text, prompt.system):
            names.LLM_WITHHELD.labels("instruction").inc()
            log.warning("answer_withheld", reason="it repeats the instruction")
            return _GIVEN_AWAY[language]
        text = guarded(text, allowed_hosts=hosts_in(prompt.system, prompt.user))
        if not isinstance(prompt, ComposedPrompt) or not prompt.parts.quotes:
            return text
        wrong = unstated(text, stated=_stated(prompt))
        return _with_true_figures(text, wrong, prompt, language, other_figures) if wrong else text

    return finished


def _with_true_figures(
    text: str, wrong: list[Figure], prompt: ComposedPrompt, language: Language, policy: OtherFigures
) -> str:
    for figure in wrong:
        names.LLM_UNSTATED_FIGURES.labels(figure.kind.value).inc()
    log.warning("answer_states_other_figures", kinds=sorted({f.kind.value for f in wrong}), policy=policy)
    lines = facts(prompt.parts.products, language)
    true = f"{_SAYS[language]}\n{lines}" if lines else _ASK[language]
    if policy == "withhold":
        names.LLM_WITHHELD.labels("figures").inc()
        return f"{_WITHHELD[language]} {true}"
    return f"{without(text, wrong, mark=_MARK)}\n\n{_CORRECTED[language]} {true}"


def _stated(prompt: ComposedPrompt) -> set[tuple[Kind, Decimal]]:
    """The figures of the instruction and of the catalogue."""
    return {
        *stated_by(prompt.parts.products),
        *stated_in(prompt.system),
        *stated_in(prompt.parts.catalogue),
    }
