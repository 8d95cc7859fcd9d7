"""Builds a question's prompt within its budget: few products, few turns, and each part's tokens counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace

from llm_worker.asking.estimate import most_tokens
from llm_worker.catalogue.excerpt import chosen_products, excerpt
from llm_worker.catalogue.intent import Intent, intents_of
from llm_worker.conversation.turn import MemoryPolicy
from llm_worker.prompt import Prompt
from llm_worker.prompts.composed import Parts, compose
from llm_worker.prompts.sources import Sources
from llm_worker.question import Question
from llm_worker.rules import AnswerRules
from llm_worker.text import cap, sanitize
from posta.domain.envelope import Event
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_QUOTED = frozenset({Intent.PRICE, Intent.AVAILABILITY})
"""Who asks for these is told figures."""


@dataclass(frozen=True, slots=True)
class KnowingPrompts:
    """The ``PromptBuilder`` that looks up what was said and what is for sale."""

    rules: AnswerRules
    sources: Sources
    policy: MemoryPolicy

    async def build(self, event: Event[Any], question: Question) -> Prompt:
        """The prompt. Raises ``Unavailable`` while the database is away."""
        asked = sanitize(f"{question.subject}\n\n{question.text}" if question.subject else question.text)
        question_part = cap(asked, self.rules.max_question_chars)
        found = await self.sources.look_up(event.key, question_part, turns=self.policy.turns_limit)
        intents = intents_of(question_part)
        parts = Parts(
            question=question_part,
            catalogue=excerpt(found.products, intents),
            past=found.past,
            products=tuple(chosen_products(found.products, intents)),
            quotes=bool(found.products) or (bool(intents & _QUOTED) and found.catalogue_version > 0),
        )
        system = self.rules.instruction(
            question.language, with_catalogue=bool(parts.catalogue), with_conversation=not found.past.is_empty
        )
        _account(event.id, {"instruction": system, **parts.blocks()})
        return compose(system, parts)

    def shortened(self, prompt: Prompt, *, share: float) -> Prompt | None:
        """The same prompt in ``share`` of its length; None when nothing is left."""
        return prompt.shortened(share)


def _account(event_id: str, texts: Mapping[str, str]) -> None:
    """Tell how many tokens each part comes to at most: in a metric, on the handling's span and in the log."""
    tokens = {name: most_tokens(text) for name, text in texts.items()}
    for name, count in tokens.items():
        names.LLM_PROMPT_TOKENS.labels(name).inc(count)
    span = trace.get_current_span()
    for name, count in tokens.items():
        span.set_attribute(f"posta.prompt.tokens.{name}", count)
    log.debug("prompt_built", event_id=event_id, tokens=tokens)
