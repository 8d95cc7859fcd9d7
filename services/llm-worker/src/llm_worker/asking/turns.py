"""Turns: the right to ask one model once, had before anything is claimed or sent."""

import hashlib
import uuid
from dataclasses import dataclass, field

from llm_worker.asking.calibration import Calibration
from llm_worker.asking.estimate import most_tokens_of
from llm_worker.asking.seams import PromptBuilder
from llm_worker.asking.waits import Shortage
from llm_worker.budget.purse import NoRoom, Reservation
from llm_worker.budget.purses import Purses
from llm_worker.budget.visit import Need
from llm_worker.prompt import Prompt
from llm_worker.providers.completion import Completion, Failed, Usage
from llm_worker.providers.lineup import Model, Route
from llm_worker.spending.call import NO_LIMIT, Call, Limit, Tab
from posta.errors import Permanent
from posta.telemetry import names

_SHORTER = 0.5
_MOST_CUTS = 3
_TENANT_CHARS = 16


class NoTurn(Exception):
    """No model that may be asked has room now; nothing was spent."""

    def __init__(self, shortage: Shortage) -> None:
        super().__init__(shortage.why)
        self.shortage = shortage


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """One question on its way to an answer."""

    event_id: str
    tenant: str
    route: Route
    prompt: Prompt
    is_urgent: bool
    last_end: float | None
    """The latest time at which an answer still helps, in epoch seconds; None: any."""
    max_tokens: int | None = None
    """Longest answer, before what route and model say."""
    conversation: str = ""
    limit: Limit = NO_LIMIT
    """What its tenant may spend today."""
    tab: Tab = field(default_factory=Tab)
    """What its calls came to, until that is written down."""

    def longest_answer(self, model: Model) -> int:
        """Most tokens that ``model`` may answer with."""
        return self.max_tokens or self.route.max_tokens or model.max_tokens

    def call(self, model: Model, prompt: Prompt) -> Call:
        """A new call of ``model`` as it is accounted for."""
        return Call(
            id=uuid.uuid4(),
            event_id=self.event_id,
            conversation=self.conversation,
            tenant=self.tenant,
            provider=model.endpoint.id,
            model=model.id,
            price=model.price,
            most=Usage(tokens_in=most_tokens_of(prompt), tokens_out=self.longest_answer(model)),
            limit=self.limit,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The right to ask one model, once."""

    model: Model
    prompt: Prompt
    reservation: Reservation
    call: Call


class Turns:
    """Finds room for a question among models."""

    def __init__(self, purses: Purses, prompts: PromptBuilder) -> None:
        self._purses = purses
        self._prompts = prompts
        self._calibrations: dict[str, Calibration] = {}

    async def at(self, models: list[Model], inquiry: Inquiry, prompt: Prompt) -> Turn:
        """A turn at the first of ``models`` that has room.

        Raises ``NoTurn``, ``Permanent`` for a question larger than every limit even shortened,
        ``Unavailable`` while the books cannot be read.
        """
        refusals: list[tuple[Model, NoRoom]] = []
        for model in models:
            fitting, cuts = prompt, 0
            while True:
                answer = inquiry.longest_answer(model)
                most = self._calibrated(model).most_tokens_of(fitting) + answer
                need = Need(tokens=most, is_urgent=inquiry.is_urgent)
                try:
                    if _is_hopeless(fitting, answer, model):
                        raise NoRoom("too_large", wait_s=0.0)  # noqa: TRY301 - the same way out as a limit's
                    reservation = await self._purses.of(model).reserve(need, tenant=_hidden(inquiry.tenant))
                    call = inquiry.call(model, fitting)
                    return Turn(model=model, prompt=fitting, reservation=reservation, call=call)
                except NoRoom as exc:
                    shorter = self._prompts.shortened(fitting, share=_SHORTER) if cuts < _MOST_CUTS else None
                    if exc.why == "too_large" and shorter is not None:
                        fitting, cuts = shorter, cuts + 1
                        continue
                    names.LLM_NO_ROOM.labels(model.id, exc.why).inc()
                    refusals.append((model, exc))
                    break
        raise self._no_turn(refusals)

    def known_shortage(self, models: list[Model]) -> Shortage | None:
        """Why none of ``models`` has room, as far as is known without asking; None: it must be asked."""
        refusals = [(model, self._purses.of(model).refusal()) for model in models]
        known = [(model, refusal) for model, refusal in refusals if refusal is not None]
        if len(known) < len(refusals):
            return None
        no_turn = self._no_turn(known)
        return no_turn.shortage if isinstance(no_turn, NoTurn) else None

    def _no_turn(self, refusals: list[tuple[Model, NoRoom]]) -> Exception:
        if all(refusal.why == "too_large" for _, refusal in refusals):
            return Permanent("the question is larger than any model's limit ever allows, even shortened")
        model, soonest = min(
            ((model, refusal) for model, refusal in refusals if refusal.why != "too_large"),
            key=lambda pair: pair[1].wait_s,
        )
        return NoTurn(
            Shortage(
                why=f"{model.id}: {soonest.why}",
                wait_s=soonest.wait_s,
                over_share=all(refusal.over_share for _, refusal in refusals),
                everywhere=self._purses.is_full_everywhere(),
            )
        )

    def learn(self, turn: Turn, completion: Completion) -> None:
        """Let what the model counted bring the next estimates of its prompts closer."""
        if completion.tokens_in is not None:
            self._calibrated(turn.model).note(turn.prompt, completion.tokens_in)

    def _calibrated(self, model: Model) -> Calibration:
        return self._calibrations.setdefault(model.id, Calibration())

    def shortage(self, model: Model, failed: Failed) -> Shortage:
        """What a 429 means for the question that met it."""
        wait_s = getattr(failed.failure, "wait_s", 0.0)
        everywhere = self._purses.is_full_everywhere()
        return Shortage(why=f"{model.id}: {failed.failure}", wait_s=wait_s, everywhere=everywhere)


def _is_hopeless(prompt: Prompt, answer_tokens: int, model: Model) -> bool:
    """Whether it cannot fit the model's context; the estimate is at most twice what prose comes to."""
    most = most_tokens_of(prompt) + answer_tokens
    return model.context_tokens is not None and most > 2 * model.context_tokens


def _hidden(tenant: str) -> str:
    """A tenant's name as the book keeps it: no person's id stands there."""
    return hashlib.sha256(tenant.encode()).hexdigest()[:_TENANT_CHARS]
