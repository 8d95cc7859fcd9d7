"""Where other parts of the service plug in: what is asked, and what needs no asking.

question ─▶ Desk.ready ─▶ an answer without a call ────────────────▶ reply
                └ None ─▶ PromptBuilder.build ─▶ (no room: waits) ─▶ call ─▶ Desk.noted
"""

from dataclasses import dataclass
from typing import Any, Protocol

from llm_worker.answers.claims import Answer
from llm_worker.prompt import Prompt, build_prompt
from llm_worker.question import Question
from llm_worker.rules import AnswerRules
from posta.domain.envelope import Event


class PromptBuilder(Protocol):
    """Builds what is asked of the model, from all its parts."""

    async def build(self, event: Event[Any], question: Question) -> Prompt:
        """The prompt. Raises a ``Failure`` when a part cannot be read."""
        ...

    def shortened(self, prompt: Prompt, *, share: float) -> Prompt | None:
        """The same prompt with its parts cut to ``share`` of their length; None when nothing is left."""
        ...


class Desk(Protocol):
    """Answers what needs no model, and is told what a model answered."""

    async def ready(self, event: Event[Any], question: Question) -> Answer | None:
        """The answer, decided before any budget is touched; None: it must be asked for."""
        ...

    async def noted(self, event: Event[Any], question: Question, answer: Answer) -> None:
        """A model answered; its answer is stored already."""
        ...


@dataclass(frozen=True, slots=True)
class PlainPrompts:
    """The instruction and the question, nothing more."""

    rules: AnswerRules

    async def build(self, event: Event[Any], question: Question) -> Prompt:  # noqa: ARG002 - the protocol's form
        """See ``PromptBuilder``."""
        return build_prompt(question, self.rules)

    def shortened(self, prompt: Prompt, *, share: float) -> Prompt | None:
        """See ``PromptBuilder``."""
        return prompt.shortened(share)


class EmptyDesk:
    """Knows no answer."""

    async def ready(self, event: Event[Any], question: Question) -> Answer | None:  # noqa: ARG002 - the protocol's form
        """See ``Desk``."""
        return None

    async def noted(self, event: Event[Any], question: Question, answer: Answer) -> None:
        """See ``Desk``."""
