"""Builds a question's prompt within its budget: few products, few turns, and each part's tokens counted."""

from dataclasses import dataclass
from typing import Any

from llm_worker.asking.estimate import most_tokens
from llm_worker.catalogue.excerpt import excerpt
from llm_worker.catalogue.intent import intents_of
from llm_worker.catalogue.postgres import Catalogue
from llm_worker.conversation.postgres import Conversations
from llm_worker.conversation.turn import MemoryPolicy
from llm_worker.prompt import Prompt
from llm_worker.prompts.composed import Parts, compose
from llm_worker.question import Question
from llm_worker.rules import AnswerRules
from llm_worker.text import cap, sanitize
from posta.domain.envelope import Event
from posta.telemetry import names


@dataclass(frozen=True, slots=True)
class KnowingPrompts:
    """The ``PromptBuilder`` that looks up what was said and what is for sale."""

    rules: AnswerRules
    conversations: Conversations
    catalogue: Catalogue
    policy: MemoryPolicy

    async def build(self, event: Event[Any], question: Question) -> Prompt:
        """The prompt. Raises ``Unavailable`` while the database is away."""
        asked = sanitize(f"{question.subject}\n\n{question.text}" if question.subject else question.text)
        past = await self.conversations.past(event.key, turns=self.policy.turns_limit)
        found = await self.catalogue.search(asked)
        parts = Parts(
            question=cap(asked, self.rules.max_question_chars),
            catalogue=excerpt(found, intents_of(asked)),
            past=past,
        )
        system = self.rules.instruction(
            question.language, with_catalogue=bool(parts.catalogue), with_conversation=not past.is_empty
        )
        names.LLM_PROMPT_TOKENS.labels("instruction").inc(most_tokens(system))
        for name, text in parts.blocks().items():
            names.LLM_PROMPT_TOKENS.labels(name).inc(most_tokens(text))
        return compose(system, parts)

    def shortened(self, prompt: Prompt, *, share: float) -> Prompt | None:
        """The same prompt in ``share`` of its length; None when nothing is left."""
        return prompt.shortened(share)
