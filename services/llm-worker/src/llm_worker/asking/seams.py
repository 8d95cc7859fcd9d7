"""Where other parts of the service plug in: what is asked, and what needs no asking.

question ─▶ Desk.ready ─▶ an answer without a call ────────────────▶ reply
                └ None ─▶ PromptBuilder.build ─▶ (no room: waits) ─▶ call ─▶ stored with Desk.notes
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from llm_worker.answers.claims import Answer, Notes
from llm_worker.prompt import Prompt, build_prompt
from llm_worker.providers.lineup import Route
from llm_worker.question import Question
from llm_worker.rules import AnswerRules
from posta.domain.envelope import Event
from posta.engine.message import Publish


class PromptBuilder(Protocol):
    """Builds what is asked of the model, from all its parts."""

    async def build(self, event: Event[Any], question: Question) -> Prompt:
        """The prompt. Raises a ``Failure`` when a part cannot be read."""
        ...

    def shortened(self, prompt: Prompt, *, share: float) -> Prompt | None:
        """The same prompt with its parts cut to ``share`` of their length; None when nothing is left."""
        ...


class Why(StrEnum):
    """Why a person answers, and no model."""

    ASKED = "asked"
    """A route of ``llm.yaml`` says so."""
    BUDGET = "budget"
    """What may be spent in a day is spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """An answer that needed no call."""

    answer: Answer
    beside: tuple[Publish, ...] = ()
    """What is published beside the reply."""


class Desk(Protocol):
    """Answers what needs no model, and is told what a model answered."""

    async def ready(
        self, event: Event[Any], question: Question, route: Route, *, scratch: str | None
    ) -> Ready | None:
        """The answer, decided before any budget is touched; None: the route's models must be asked.

        ``scratch`` names the replay that wants it answered anew: neither frequent questions nor answers
        given before do then.
        """
        ...

    async def hand_over(self, event: Event[Any], question: Question, *, why: Why) -> Ready | None:
        """Pass the question on to a person; None when there is nobody to pass it on to."""
        ...

    def notes(self, event: Event[Any], question: Question, answer: Answer) -> Notes | None:
        """What is noted in the moment a model's ``answer`` is stored; None: nothing."""
        ...

    def stored(self, event: Event[Any], *, open_tokens: int | None) -> None:
        """A model's answer is stored, and what was to be noted with it.

        ``open_tokens``: of the conversation, not yet summarised; None: nothing was noted.
        """
        ...

    async def unanswered(self, event: Event[Any]) -> None:
        """No model will be asked: whoever waits for this answer need not."""
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

    async def ready(
        self,
        event: Event[Any],  # noqa: ARG002 - the protocol's form
        question: Question,  # noqa: ARG002
        route: Route,  # noqa: ARG002
        *,
        scratch: str | None,  # noqa: ARG002
    ) -> Ready | None:
        """See ``Desk``."""
        return None

    async def hand_over(self, event: Event[Any], question: Question, *, why: Why) -> Ready | None:  # noqa: ARG002
        """See ``Desk``."""
        return None

    def notes(self, event: Event[Any], question: Question, answer: Answer) -> Notes | None:  # noqa: ARG002
        """See ``Desk``."""
        return None

    def stored(self, event: Event[Any], *, open_tokens: int | None) -> None:
        """See ``Desk``."""

    async def unanswered(self, event: Event[Any]) -> None:
        """See ``Desk``."""
