"""Turns: the right to ask one model once, had before anything is claimed or sent."""

import hashlib
import uuid
from dataclasses import dataclass, field

from llm_worker.asking.calibration import Calibration
from llm_worker.asking.estimate import Estimate, estimate_of
from llm_worker.asking.seams import PromptBuilder
from llm_worker.asking.waits import Shortage
from llm_worker.budget.lease import NoRoom, Reservation
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
class Wish:
    """A question that wants a turn, before anything is looked up for it."""

    event_id: str
    tenant: str
    route: Route
    first: Model | None
    """Whom to ask first; None: the route asks no model."""
    is_urgent: bool
    last_end: float | None
    """The latest time at which an answer still helps, in epoch seconds; None: any."""


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

    @property
    def size(self) -> Estimate:
        """The most that its prompt can come to, however a model counts."""
        return estimate_of(self.prompt)

    def longest_answer(self, model: Model) -> int:
        """Most tokens that ``model`` may answer with."""
        return self.max_tokens or self.route.longest_answer(model)

    def call(self, model: Model, size: Estimate) -> Call:
        """A new call of ``model`` with a prompt of that size, as it is accounted for."""
        return Call(
            id=uuid.uuid4(),
            event_id=self.event_id,
            conversation=self.conversation,
            tenant=self.tenant,
            provider=model.endpoint.id,
            model=model.id,
            price=model.price,
            most=Usage(tokens_in=size.tokens, tokens_out=self.longest_answer(model)),
            limit=self.limit,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The right to ask one model, once."""

    model: Model
    prompt: Prompt
    reservation: Reservation
    call: Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Early:
    """A place at one model for a question that waited, by what its prompt came to then."""

    model: Model
    reservation: Reservation


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
                answer, size = inquiry.longest_answer(model), estimate_of(fitting)
                most = self._calibrated(model).scaled(size) + answer
                need = Need(tokens=most, is_urgent=inquiry.is_urgent)
                try:
                    if _is_hopeless(size, answer, model):
                        raise NoRoom("too_large", wait_s=0.0)  # noqa: TRY301 - the same way out as a limit's
                    reservation = await self._purses.of(model).reserve(
                        need, tenant=_hidden(inquiry.tenant), name=inquiry.event_id
                    )
                    call = inquiry.call(model, size)
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

    async def early(self, models: list[Model], wish: Wish, size: Estimate) -> Early | None:
        """A place at the first of ``models`` that has room for a prompt of that size; raises ``NoTurn``.

        None when it has to be looked at more closely: it is too large for a limit.
        """
        refusals: list[tuple[Model, NoRoom]] = []
        for model in models:
            most = self._calibrated(model).scaled(size) + wish.route.longest_answer(model)
            need = Need(tokens=most, is_urgent=wish.is_urgent)
            try:
                reservation = await self._purses.of(model).reserve(
                    need, tenant=_hidden(wish.tenant), name=wish.event_id
                )
            except NoRoom as exc:
                if exc.why == "too_large":
                    return None
                names.LLM_NO_ROOM.labels(model.id, exc.why).inc()
                refusals.append((model, exc))
            else:
                return Early(model=model, reservation=reservation)
        raise self._no_turn(refusals)

    def completed(self, early: Early, inquiry: Inquiry) -> Turn | None:
        """The turn that ``early`` is a place for; None when the prompt has grown beyond it."""
        model, answer = early.model, inquiry.longest_answer(early.model)
        most = self._calibrated(model).scaled(inquiry.size) + answer
        if most > early.reservation.need.tokens or _is_hopeless(inquiry.size, answer, model):
            return None
        call = inquiry.call(model, inquiry.size)
        return Turn(model=model, prompt=inquiry.prompt, reservation=early.reservation, call=call)

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


def _is_hopeless(size: Estimate, answer_tokens: int, model: Model) -> bool:
    """Whether it cannot fit the model's context; the estimate is at most twice what prose comes to."""
    most = size.tokens + answer_tokens
    return model.context_tokens is not None and most > 2 * model.context_tokens


def _hidden(tenant: str) -> str:
    """A tenant's name as the book keeps it: no person's id stands there."""
    return hashlib.sha256(tenant.encode()).hexdigest()[:_TENANT_CHARS]
