"""Asks a model, and whoever is next when that fails: a turn is had first, then the call is made.

turn ─▶ call ─┬ answer ────────────────────────────────────────────▶ Completion
              ├ refused to answer, nobody else named ──────────────▶ Refusal (an answer too)
              ├ prompt too long ─▶ shortened ─▶ turn there again ──▶ call
              ├ rate, server, timeout ─▶ next choice of that class ─▶ turn ─▶ call
              └ nobody left ───────────────────────────────────────▶ the failure
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from llm_worker.asking.estimate import Estimate
from llm_worker.asking.pace import Pace
from llm_worker.asking.seams import PromptBuilder
from llm_worker.asking.turns import Early, Inquiry, NoTurn, Turn, Turns, Wish
from llm_worker.asking.waits import Shortage
from llm_worker.budget.purses import Purses
from llm_worker.circuit.breaker import Report
from llm_worker.providers.completion import TRIPPING, Completion, Failed, Kind, Outcome
from llm_worker.providers.lineup import Model, Route
from llm_worker.providers.port import Provider, Request, Result
from llm_worker.providers.told import NOTHING
from llm_worker.spending.budget import BudgetUsedUp
from llm_worker.spending.call import Ended, ended
from posta.errors import Expired, Permanent
from posta.tasks import end
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_SHORTER = 0.5
_MOST_CUTS = 3
_MIN_CALL_S = 1.0
"""A call given less than this would be paid for in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The model would not answer this: that is an answer, and the person is told."""

    model: str


AgainPaid = Callable[[Turn], Awaitable[None]]
"""Counts one call more for the event before it is made; raises ``BudgetUsedUp``, or when the right to it
is lost."""


class Asker:
    """See the module; ``providers`` by the model's id."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        purses: Purses,
        prompts: PromptBuilder,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._providers = providers
        self._purses = purses
        self._prompts = prompts
        self._turns = Turns(purses, prompts)
        self._clock = clock
        self._monotonic = monotonic
        self._paces = {model_id: Pace() for model_id in providers}

    def use(self, providers: Mapping[str, Provider]) -> None:
        """Ask these from now on; turns that were had at others are still taken there."""
        self._providers = {**self._providers, **providers}
        for model_id in providers:
            self._paces.setdefault(model_id, Pace())

    async def turn(self, inquiry: Inquiry, first: Model) -> Turn:
        """A turn at ``first``, or at whom its route names for want of room; see ``Turns.at``."""
        return await self._turns.at(_with_room(inquiry.route, first), inquiry, inquiry.prompt)

    def known_shortage(self, route: Route, first: Model) -> Shortage | None:
        """Why there is no turn, as far as is known without asking; nothing need be prepared for it then."""
        return self._turns.known_shortage(_with_room(route, first))

    async def early(self, wish: Wish, first: Model, size: Estimate) -> Early | None:
        """A place for a question that waited, before its prompt is built; see ``Turns.early``."""
        return await self._turns.early(_with_room(wish.route, first), wish, size)

    def completed(self, early: Early, inquiry: Inquiry) -> Turn | None:
        """See ``Turns.completed``."""
        return self._turns.completed(early, inquiry)

    def is_fresh(self, turn: Turn) -> bool:
        """Whether the turn may still be used."""
        return self._purses.of(turn.model).is_fresh(turn.reservation)

    def give_back(self, turn: Turn | Early) -> None:
        """The turn is not used."""
        self._purses.of(turn.model).give_back(turn.reservation)

    async def ask(self, inquiry: Inquiry, turn: Turn, again: AgainPaid) -> Completion | Refusal:
        """The answer. Raises ``NoTurn``, or the failure's own class when nobody is left to be asked."""
        asked, cuts = [turn.model], 0
        while True:
            result, turn = await self._hedged(inquiry, turn, again)
            verdict = result.verdict
            if isinstance(verdict, Completion):
                inquiry.tab.used = turn.call.id
                return verdict
            if verdict.kind is Kind.CONTEXT and cuts < _MOST_CUTS:
                cuts += 1
                turn = await self._shorter(inquiry, turn, verdict)
            else:
                following = await self._next(inquiry, turn, verdict, asked)
                if isinstance(following, Refusal):
                    return following
                turn = following
                asked.append(turn.model)
            try:
                await again(turn)
            except BaseException:
                self.give_back(turn)
                raise

    async def _shorter(self, inquiry: Inquiry, turn: Turn, failed: Failed) -> Turn:
        prompt = self._prompts.shortened(turn.prompt, share=_SHORTER)
        if prompt is None:
            raise failed.failure
        names.LLM_SHORTENED.labels(turn.model.id).inc()
        log.warning("prompt_shortened", event_id=inquiry.event_id, model=turn.model.id)
        return await self._turns.at([turn.model], inquiry, prompt)

    async def _next(self, inquiry: Inquiry, turn: Turn, failed: Failed, asked: list[Model]) -> Turn | Refusal:
        named = inquiry.route.fallback.get(failed.kind, ())
        models = [model for model in named if model not in asked]
        if not models:
            if failed.kind is Kind.REFUSED:
                return Refusal(model=turn.model.name)
            if failed.kind is Kind.RATE:
                raise NoTurn(self._turns.shortage(turn.model, failed))
            raise failed.failure
        try:
            following = await self._turns.at(models, inquiry, turn.prompt)
        except NoTurn:
            if failed.kind is Kind.REFUSED:
                return Refusal(model=turn.model.name)
            if failed.kind is Kind.RATE:
                raise
            raise failed.failure from None
        names.LLM_FALLBACKS.labels(turn.model.id, failed.kind.value).inc()
        log.warning(
            "asked_elsewhere",
            event_id=inquiry.event_id,
            failed=turn.model.id,
            kind=failed.kind.value,
            asked=following.model.id,
        )
        return following

    async def _hedged(self, inquiry: Inquiry, turn: Turn, again: AgainPaid) -> tuple[Result, Turn]:
        """One call, and a second one elsewhere if the first is slow and the route says so."""
        after_s = self._hedge_after_s(inquiry.route, turn.model)
        if after_s is None:
            return await self._call(inquiry, turn), turn
        first = asyncio.create_task(self._call(inquiry, turn))
        calls = {first: turn}
        try:
            done, _ = await asyncio.wait(calls, timeout=after_s)
            if not done:
                second = await self._second(inquiry, turn, again)
                if second is not None:
                    calls[asyncio.create_task(self._call(inquiry, second))] = second
            winner = await _first_answer(calls)
            if len(calls) > 1:
                names.LLM_HEDGES.labels("first" if winner is first else "second").inc()
            return winner.result(), calls[winner]
        finally:
            await end(*calls)

    def _hedge_after_s(self, route: Route, model: Model) -> float | None:
        if route.hedge_after_s == "p95":
            return self._paces[model.id].p95_s
        return None if route.hedge_after_s is None else float(route.hedge_after_s)

    async def _second(self, inquiry: Inquiry, turn: Turn, again: AgainPaid) -> Turn | None:
        others = [model for model in inquiry.route.fallback[Kind.SERVER] if model is not turn.model]
        try:
            second = await self._turns.at(others[:1], inquiry, turn.prompt) if others else None
        except (NoTurn, Permanent):
            return None  # a hedge is a luxury
        if second is not None:
            try:
                await again(second)
            except BudgetUsedUp:
                self.give_back(second)
                return None
            except BaseException:
                self.give_back(second)
                raise
        return second

    async def _call(self, inquiry: Inquiry, turn: Turn) -> Result:
        """Make the call and settle it, whatever becomes of it."""
        model, purse = turn.model, self._purses.of(turn.model)
        try:
            request = self._request(inquiry, turn)
        except Expired:
            self.give_back(turn)
            raise
        begun = self._monotonic()
        estimate, report = turn.reservation.need.tokens, Report()
        result: Result | None = None
        try:
            result = await self._providers[model.id].ask(request)
            estimate, report = _outcome(result, estimate)
        finally:
            paid = ended(turn.call, result)
            inquiry.tab.end(paid)
            _count_cost(paid)
            purse.settle(
                turn.reservation,
                begun=begun + (0.0 if result is None else result.sent_after_s),
                tokens=estimate,
                report=report,
                told=NOTHING if result is None else result.told,
                told_at=begun if result is None else begun + result.headers_after_s,
            )
            self._purses.settled(purse)
        if isinstance(result.verdict, Completion):
            self._paces[model.id].note(result.seconds)
            self._turns.learn(turn, result.verdict)
            if estimate > turn.reservation.need.tokens:
                names.LLM_UNDERESTIMATED.labels(model.id).inc()
        return result

    def _request(self, inquiry: Inquiry, turn: Turn) -> Request:
        limits = turn.model.timeouts
        if inquiry.last_end is not None:
            left_s = inquiry.last_end - self._clock()
            if left_s < _MIN_CALL_S:
                raise Expired("too little time is left before the question's deadline to answer it")
            limits = limits.within(left_s)
        return Request(prompt=turn.prompt, max_tokens=inquiry.longest_answer(turn.model), timeouts=limits)


def _with_room(route: Route, first: Model) -> list[Model]:
    """Who may be asked first: ``first``, or whom the route names for want of room."""
    models = [first]
    for kind in (Kind.RATE, Kind.SERVER):
        models += [model for model in route.fallback.get(kind, ()) if model not in models]
    return models


async def _first_answer(calls: Mapping["asyncio.Task[Result]", Turn]) -> "asyncio.Task[Result]":
    """The call that answered first, or the last one to fail."""
    pending = set(calls)
    while True:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            if one.exception() is None and isinstance(one.result().verdict, Completion):
                return one
        if not pending:
            return next(iter(done))


def _count_cost(ended: Ended) -> None:
    model, cost = ended.call.model, float(ended.cost)
    names.LLM_COST.labels(model, ended.call.price.currency).inc(cost)
    if ended.outcome != Outcome.OK.value:
        names.LLM_COST_WASTED.labels(model, ended.outcome).inc(cost)


def _outcome(result: Result, estimate: int) -> tuple[int, Report]:
    """What the call came to in tokens, and what it says of the circuit."""
    verdict = result.verdict
    if isinstance(verdict, Completion):
        if verdict.tokens_in is None or verdict.tokens_out is None:
            return estimate, Report(ok=1)
        return verdict.tokens_in + verdict.tokens_out, Report(ok=1)
    if verdict.kind is Kind.RATE:
        return 0, Report(ok=1)
    return estimate, Report(failed=1) if verdict.outcome in TRIPPING else Report(ok=1)
