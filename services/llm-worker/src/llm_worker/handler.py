"""Answers one question: what is known is given, what is not is asked for once, kept, and then sent.

    desk ─▶ an answer that needs no model ─────────────────────────────────▶ reply
         └─▶ turn ─▶ claim ─┬▶ Answered: give the turn back ───────────────▶ reply
              │             ├▶ Busy: give it back, NotNow (until the other's lease ends)
              │             ├▶ OverBudget: give it back, say so ────────▶ reply
              │             └▶ Claim ─▶ call ─▶ store ─────────────────────▶ reply
              │                          │        └─ store away: kept in memory, stored when it comes again
              │                          └─ failed: claim released, the failure goes to the engine
              └─ no room: answered before? ─ else it waits, without a claim and without an attempt

A turn is had before the claim, so that waiting holds nothing. Provider calls per event stay within its
attempts, the fallbacks and hedges of its route, and the kills it met.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from llm_worker.answers.claims import Answer, Answered, Answers, Busy, Claim, ClaimLost, OverBudget
from llm_worker.answers.lease import renewed
from llm_worker.answers.unsaved import Unsaved
from llm_worker.asking.asker import Asker, Refusal
from llm_worker.asking.routes import first_model, route_of
from llm_worker.asking.seams import Desk, EmptyDesk, PromptBuilder, Ready, Why
from llm_worker.asking.turns import Inquiry, NoTurn, Turn
from llm_worker.asking.waiting import WaitingRoom
from llm_worker.asking.waits import Shortage, failure_of
from llm_worker.prompt import Prompt
from llm_worker.providers.completion import Completion
from llm_worker.providers.lineup import Lineup, Route
from llm_worker.question import Question, question_of
from llm_worker.replies import answer_reply, apology_reply, refusal_text
from llm_worker.scratch import QuestionMessage
from llm_worker.spending.accounts import (
    FROM_DELIVERY,
    Accounts,
    NoAccounts,
    note_lost,
    note_refused,
    note_warning,
)
from llm_worker.spending.budget import USED_UP, BudgetUsedUp, limit_of, used_up_text
from llm_worker.spending.call import Call
from llm_worker.spending.ledger import Uncalled
from llm_worker.spending.rules import WhenUsedUp
from llm_worker.text import cap, sanitize
from posta import topics
from posta.domain.envelope import Event
from posta.domain.language import Language
from posta.domain.payloads import DiscordInteraction, EmailReceived
from posta.engine.message import GivenUp, Message, Publish
from posta.errors import Expired, NotNow, Transient, Unavailable
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_STORED_MAX_CHARS = 100_000
_MIN_CALL_S = 1.0
"""A call given less than this would be paid for in vain."""
_AFTER_LEASE_S = 0.1
_AFTER_LOSS_S = 0.5
"""Soon: the next handling learns from the store how long the new owner's lease still runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPolicy:
    """How long things may take in seconds, and how many may wait."""

    lease_s: float
    """A claim without renewal."""
    delivery_reserve_s: float
    """What is left before the deadline for delivering the answer."""
    waiting_most: int = 32
    """Questions without a deadline that wait in this process; more go to the lanes."""


Finish = Callable[[str, Prompt, Language], str]
"""The last look at what a model wrote to a prompt: what of it the person is shown."""


class AnswerQuestions:
    """The handler of the group llm-worker, and what it says when it gives a question up."""

    def __init__(
        self,
        *,
        policy: AnswerPolicy,
        lineup: Lineup,
        prompts: PromptBuilder,
        asker: Asker,
        answers: Answers,
        desk: Desk | None = None,
        finish: Finish = lambda text, _prompt, _language: text,
        waiting: WaitingRoom | None = None,
        accounts: Accounts | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._policy = policy
        self._lineup = lineup
        self._prompts = prompts
        self._asker = asker
        self._answers = answers
        self._desk = desk or EmptyDesk()
        self._finish = finish
        self._waiting = waiting or WaitingRoom(clock=clock)
        self._accounts = accounts or NoAccounts()
        self._clock = clock
        self._unsaved = Unsaved()

    def use(self, lineup: Lineup, desk: Desk) -> None:
        """Answer by these from the next question on."""
        self._lineup = lineup
        self._desk = desk

    async def handle(self, message: Message[Any]) -> Iterable[Publish]:
        """The reply to a question, as ``posta.engine.message.Handler`` wants it."""
        event = message.event
        question = question_of(event.data)
        kept = await self._kept(event.id)
        ready = Ready(answer=kept) if kept else await self._ready(message, question)
        self._waiting.leave(event.id)
        reply = answer_reply(event, ready.answer.text, at=self._now())
        return [Publish(topic=topics.REPLIES_READY, event=reply), *ready.beside]

    async def apologise(self, message: Message[Any], given_up: GivenUp) -> Iterable[Publish]:
        """The apology for a question that becomes a dead letter; nothing when it could reach nobody."""
        event = message.event
        self._waiting.leave(event.id)
        if not isinstance(event.data, DiscordInteraction | EmailReceived):
            return []
        reply = apology_reply(event, at=self._now())
        log.warning(
            "question_given_up",
            event_id=event.id,
            error_class=given_up.error_class.value,
            apologised=reply is not None,
        )
        return [] if reply is None else [Publish(topic=topics.REPLIES_READY, event=reply)]

    async def _kept(self, event_id: str) -> Answer | None:
        """The answer that this process paid for and could not store before, now stored."""
        unsaved = self._unsaved.find(event_id)
        if unsaved is None:
            return None
        stored = await self._answers.store(
            unsaved.claim, unsaved.answer, ended=unsaved.ended, used=unsaved.used
        )
        self._unsaved.drop(event_id)
        return unsaved.answer if stored else None

    def _uncalled(self, event: Event[Any], question: Question, source: str) -> None:
        self._accounts.note(
            Uncalled(
                event_id=event.id,
                conversation=event.key,
                tenant=question.tenant,
                source=source,
                time_zone=self._lineup.budget.time_zone,
            )
        )

    async def _ready(self, message: Message[Any], question: Question) -> Ready:
        route = route_of(question, self._lineup)
        scratch = message.scratch if isinstance(message, QuestionMessage) else None
        ready = await self._desk.ready(message.event, question, route, scratch=scratch)
        if ready is None:
            return await self._asked(message, question, route, scratch)
        self._uncalled(message.event, question, ready.answer.model.partition(":")[0])
        return ready

    async def _asked(
        self, message: Message[Any], question: Question, route: Route, scratch: str | None
    ) -> Ready:
        event = message.event
        last_end = None if message.deadline is None else message.deadline - self._policy.delivery_reserve_s
        if last_end is not None and self._clock() + _MIN_CALL_S > last_end:
            return await self._found_or(
                event,
                question,
                scratch,
                Expired("too little time is left before the question's deadline to answer it"),
            )
        first = first_model(route, event.id)
        waited = self._waiting.is_here(event.id)
        known = self._asker.known_shortage(route, first) if waited else None
        if known is not None:
            # Looked up and found waiting a moment ago, and nothing has changed: no prompt need be built.
            raise self._shortage(event.id, known, is_urgent=message.deadline is not None, last_end=last_end)
        inquiry = Inquiry(
            event_id=event.id,
            tenant=question.tenant,
            route=route,
            prompt=await self._prompts.build(event, question),
            is_urgent=message.deadline is not None,
            last_end=last_end,
            conversation=event.key,
            limit=limit_of(question.tenant, self._lineup.budget),
        )
        try:
            turn = await self._asker.turn(inquiry, first)
        except NoTurn as exc:
            shortage = self._shortage_of(inquiry, exc)
            if waited:
                raise shortage from None
            return await self._found_or(event, question, scratch, shortage)
        return await self._with_turn(event, question, inquiry, turn, scratch)

    async def _found_or(
        self, event: Event[Any], question: Question, scratch: str | None, failure: Exception
    ) -> Ready:
        """The answer that somebody has paid for already; else the failure is raised."""
        found = await self._answers.find(event.id) if scratch is None else None
        if found is None:
            raise failure
        self._found(event, question)
        return Ready(answer=found)

    def _found(self, event: Event[Any], question: Question) -> None:
        log.info("answer_found", event_id=event.id)
        self._uncalled(event, question, FROM_DELIVERY)

    def _shortage_of(self, inquiry: Inquiry, no_turn: NoTurn) -> Exception:
        return self._shortage(
            inquiry.event_id, no_turn.shortage, is_urgent=inquiry.is_urgent, last_end=inquiry.last_end
        )

    def _shortage(
        self, event_id: str, shortage: Shortage, *, is_urgent: bool, last_end: float | None
    ) -> Exception:
        """What the engine is told, noted for whoever wonders why the question waits."""
        waiting = self._waiting.unhurried(beside=event_id)
        failure = failure_of(
            shortage,
            last_start=None if last_end is None else last_end - _MIN_CALL_S,
            now=self._clock(),
            crowded=not is_urgent and waiting >= self._policy.waiting_most,
        )
        if not isinstance(failure, Expired):
            self._waiting.enter(
                event_id,
                why=shortage.why,
                is_urgent=is_urgent,
                wait_s=shortage.wait_s,
                in_hand=isinstance(failure, Unavailable),
            )
        return failure

    async def _with_turn(
        self, event: Event[Any], question: Question, inquiry: Inquiry, turn: Turn, scratch: str | None
    ) -> Ready:
        try:
            claimed = await self._answers.claim(event.id, scratch=scratch, call=turn.call)
        except BaseException:
            self._asker.give_back(turn)
            raise
        match claimed:
            case Answered(answer=answer):
                self._asker.give_back(turn)
                self._found(event, question)
                # Again, should the process have died between storing it and noting it.
                return await self._noted(event, question, answer)
            case Busy(lease_left_s=left_s):
                self._asker.give_back(turn)
                raise NotNow("another worker is answering this", wait_s=left_s + _AFTER_LEASE_S)
            case OverBudget(claim=claim, first=first):
                self._asker.give_back(turn)
                note_refused(question.tenant, event_id=event.id, first=first)
                return await self._stop(claim, event, question)
            case Claim() as claim:
                inquiry.tab.begin(turn.call)
                if claim.warns:
                    note_warning(turn.call)
                try:
                    answer = await self._pay(claim, question, inquiry, turn)
                except BudgetUsedUp:
                    note_refused(question.tenant, event_id=event.id, first=False)
                    return await self._stop(claim, event, question)
                return await self._noted(event, question, answer)

    async def _noted(self, event: Event[Any], question: Question, answer: Answer) -> Ready:
        if answer.model != USED_UP:
            await self._desk.noted(event, question, answer)
        return Ready(answer=answer)

    async def _stop(self, claim: Claim, event: Event[Any], question: Question) -> Ready:
        """What the person hears when today's budget is used up: that it is, or that a person answers."""
        await self._desk.unanswered(event)
        if self._lineup.budget.when_used_up is WhenUsedUp.HAND_OVER:
            passed_on = await self._desk.hand_over(event, question, why=Why.BUDGET)
            if passed_on is not None:
                # Not stored: what is published beside it must be published again if we die before.
                await self._answers.release(claim)
                return passed_on
        answer = Answer(text=used_up_text(question.locale), model=USED_UP)
        if not await self._answers.store(claim, answer):
            raise ClaimLost("another worker took this over", wait_s=_AFTER_LOSS_S)
        return Ready(answer=answer)

    async def _pay(self, claim: Claim, question: Question, inquiry: Inquiry, turn: Turn) -> Answer:
        tab = inquiry.tab
        try:
            async with renewed(self._answers, claim, every_s=self._policy.lease_s / 3, tab=tab):
                turn = await self._fresh(claim, inquiry, turn)
                said = await self._say(claim, inquiry, turn)
                answer = self._worth_keeping(said, question, inquiry.prompt)
                ended = tab.close()
                self._unsaved.keep(claim, answer, ended=ended, used=tab.used)
                # Shielded: whoever cancels us now gains milliseconds and loses a paid answer.
                stored = await asyncio.shield(self._answers.store(claim, answer, ended=ended, used=tab.used))
                tab.clear(ended)
        finally:
            if tab.ended and self._unsaved.find(claim.event_id) is None:
                self._accounts.settle(tab.ended)
        self._unsaved.drop(claim.event_id)
        if not stored:
            note_lost(ended, used=tab.used)
            raise ClaimLost("another worker took this over", wait_s=_AFTER_LOSS_S)
        return answer

    async def _say(self, claim: Claim, inquiry: Inquiry, turn: Turn) -> Completion | Refusal:
        try:
            return await self._asker.ask(
                inquiry, turn, lambda another: self._once_more(claim, inquiry, another.call)
            )
        except NoTurn as exc:
            raise self._shortage_of(inquiry, exc) from None

    async def _fresh(self, claim: Claim, inquiry: Inquiry, turn: Turn) -> Turn:
        """The turn, or another one if claiming took so long that it may not be used any more."""
        if self._asker.is_fresh(turn):
            return turn
        self._asker.give_back(turn)
        inquiry.tab.close()
        try:
            another = await self._asker.turn(inquiry, turn.model)
        except NoTurn as exc:
            raise self._shortage_of(inquiry, exc) from None
        try:
            await self._once_more(claim, inquiry, another.call)
        except BaseException:
            self._asker.give_back(another)
            raise
        return another

    async def _once_more(self, claim: Claim, inquiry: Inquiry, call: Call) -> None:
        """Count one call more before it is made. Raises ``ClaimLost`` when it must not be made."""
        ended = tuple(inquiry.tab.ended)
        if not await self._answers.again(claim, call=call, ended=ended):
            raise ClaimLost("another worker took this over", wait_s=_AFTER_LOSS_S)
        inquiry.tab.clear(ended)
        inquiry.tab.begin(call)

    def _worth_keeping(self, said: Completion | Refusal, question: Question, prompt: Prompt) -> Answer:
        if isinstance(said, Refusal):
            return Answer(text=refusal_text(question.locale), model=said.model)
        text = cap(sanitize(self._finish(said.text, prompt, question.language)), _STORED_MAX_CHARS)
        if not text:
            raise Transient("the LLM's answer holds nothing that can be shown")
        return Answer(text=text, model=said.model, tokens_in=said.tokens_in, tokens_out=said.tokens_out)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
