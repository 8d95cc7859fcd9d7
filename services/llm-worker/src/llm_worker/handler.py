"""Answers one question: what is known is given, what is not is asked for once, kept, and then sent.

    desk ─▶ an answer that needs no model ───────────────────────────────▶ reply
         └─▶ turn ─▶ paid for, once ─┬▶ the answer ───────────────────────▶ reply
              │                      └▶ today's budget is used up: say so, or pass it on ─▶ reply
              └─ no room: answered before? ─ else it waits, without a claim and without an attempt

A turn is had before the claim, so that waiting holds nothing. Provider calls per event stay within its
attempts, the fallbacks and hedges of its route, and the kills it met.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from llm_worker.answers.claims import Answer, Answers
from llm_worker.asking.admission import Admission
from llm_worker.asking.asker import Asker
from llm_worker.asking.routes import first_model, route_of
from llm_worker.asking.seams import Desk, EmptyDesk, PromptBuilder, Ready, Why
from llm_worker.asking.turns import Early, Inquiry, NoTurn, Turn, Wish
from llm_worker.asking.waiting import WaitingRoom
from llm_worker.paying import Finish, Paid, Paying, Stopped
from llm_worker.providers.lineup import Lineup
from llm_worker.question import Question, question_of
from llm_worker.replies import answer_reply, apology_reply
from llm_worker.scratch import QuestionMessage
from llm_worker.spending.accounts import FROM_DELIVERY, Accounts, NoAccounts
from llm_worker.spending.budget import limit_of
from llm_worker.spending.ledger import Uncalled
from llm_worker.spending.rules import WhenUsedUp
from posta import topics
from posta.domain.envelope import Event
from posta.domain.payloads import DiscordInteraction, EmailReceived
from posta.engine.message import GivenUp, Message, Publish
from posta.errors import Unavailable
from posta.tasks import within
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_LET_GO_S = 1.0
"""An apology is not kept waiting for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPolicy:
    """How long things may take in seconds, and how many may wait."""

    lease_s: float
    """A claim without renewal."""
    delivery_reserve_s: float
    """What is left before the deadline for delivering the answer."""
    waiting_most: int = 32
    """Questions without a deadline that wait in this process; more go to the lanes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A question with what it came in."""

    event: Event[Any]
    question: Question
    wish: Wish
    scratch: str | None
    """Names the replay that wants it answered anew."""


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
        self._desk = desk or EmptyDesk()
        self._accounts = accounts or NoAccounts()
        self._clock = clock
        self._admission = Admission(
            asker, waiting or WaitingRoom(clock=clock), waiting_most=policy.waiting_most, clock=clock
        )
        self._paying = Paying(
            answers, asker, self._admission, self._accounts, finish=finish, lease_s=policy.lease_s
        )

    def use(
        self,
        lineup: Lineup,
        desk: Desk,
        *,
        prompts: PromptBuilder | None = None,
        finish: Finish | None = None,
    ) -> None:
        """Answer by these from the next question on; None: as before."""
        self._lineup = lineup
        self._desk = desk
        self._prompts = prompts or self._prompts
        if finish is not None:
            self._paying.use(finish)

    async def handle(self, message: Message[Any]) -> Iterable[Publish]:
        """The reply to a question, as ``posta.engine.message.Handler`` wants it."""
        event = message.event
        kept = await self._paying.kept(event.id)
        ready = self._kept(event, kept) if kept else await self._ready(self._asked(message))
        self._admission.leave(event.id)
        reply = answer_reply(event, ready.answer.text, at=self._now())
        return [Publish(topic=topics.REPLIES_READY, event=reply), *ready.beside]

    async def apologise(self, message: Message[Any], given_up: GivenUp) -> Iterable[Publish]:
        """The apology for a question that becomes a dead letter; nothing when it could reach nobody."""
        event = message.event
        self._admission.leave(event.id)
        if not isinstance(event.data, DiscordInteraction | EmailReceived):
            return []
        with suppress(Unavailable, TimeoutError):  # then they wait until it counts as lost
            await within(_LET_GO_S, self._desk.unanswered(event))
        reply = apology_reply(event, at=self._now())
        log.warning(
            "question_given_up",
            event_id=event.id,
            error_class=given_up.error_class.value,
            apologised=reply is not None,
        )
        return [] if reply is None else [Publish(topic=topics.REPLIES_READY, event=reply)]

    def _asked(self, message: Message[Any]) -> _Asked:
        event = message.event
        question = question_of(event.data)
        route = route_of(question, self._lineup)
        wish = Wish(
            event_id=event.id,
            tenant=question.tenant,
            route=route,
            first=first_model(route, event.id) if route.choices else None,
            is_urgent=message.deadline is not None,
            last_end=None if message.deadline is None else message.deadline - self._policy.delivery_reserve_s,
        )
        scratch = message.scratch if isinstance(message, QuestionMessage) else None
        return _Asked(event=event, question=question, wish=wish, scratch=scratch)

    def _kept(self, event: Event[Any], paid: Paid) -> Ready:
        """The answer that could not be stored when it came, and is now."""
        self._desk.stored(event, open_tokens=paid.open_tokens)
        return Ready(answer=paid.answer)

    async def _ready(self, asked: _Asked) -> Ready:
        early = await self._admission.early(asked.wish)
        try:
            ready = await self._desk.ready(
                asked.event, asked.question, asked.wish.route, scratch=asked.scratch
            )
            inquiry = None if ready else await self._inquiry(asked)
        except BaseException:
            self._admission.give_back(early)
            raise
        if inquiry is not None:
            return await self._from_model(asked, inquiry, early)
        self._admission.give_back(early)
        if ready is None:
            return await self._found_or(asked, self._admission.too_late(asked.wish.last_end))
        self._uncalled(asked, ready.answer.model.partition(":")[0])
        return ready

    async def _inquiry(self, asked: _Asked) -> Inquiry | None:
        """What a model is asked; None when it is too late for that."""
        if self._admission.too_late(asked.wish.last_end):
            return None
        return Inquiry(
            event_id=asked.event.id,
            tenant=asked.question.tenant,
            route=asked.wish.route,
            prompt=await self._prompts.build(asked.event, asked.question),
            is_urgent=asked.wish.is_urgent,
            last_end=asked.wish.last_end,
            conversation=asked.event.key,
            limit=limit_of(asked.question.tenant, self._lineup.budget),
        )

    async def _from_model(self, asked: _Asked, inquiry: Inquiry, early: Early | None) -> Ready:
        waited = self._admission.has_waited(asked.event.id)
        try:
            turn = await self._admission.turn(inquiry, asked.wish.first, early)
        except NoTurn as exc:
            failure = self._admission.failure(inquiry, exc.shortage)
            if waited:
                raise failure from None  # looked for when it came first
            return await self._found_or(asked, failure)
        return await self._with_turn(asked, inquiry, turn)

    async def _found_or(self, asked: _Asked, failure: Exception | None) -> Ready:
        """The answer that somebody has paid for already; else the failure is raised."""
        found = await self._paying.found(asked.event.id) if asked.scratch is None else None
        if found is not None:
            return self._found(asked, found)
        if failure is None:
            raise AssertionError("a question without a prompt is too late for one")
        raise failure

    def _found(self, asked: _Asked, answer: Answer) -> Ready:
        log.info("answer_found", event_id=asked.event.id)
        self._uncalled(asked, FROM_DELIVERY)
        return Ready(answer=answer)

    async def _with_turn(self, asked: _Asked, inquiry: Inquiry, turn: Turn) -> Ready:
        notes_of = partial(self._desk.notes, asked.event, asked.question)
        match await self._paying.pay(asked.question, inquiry, turn, notes_of=notes_of, scratch=asked.scratch):
            case Stopped() as stopped:
                return await self._stop(asked, stopped)
            case Paid(answer=answer, found=found, open_tokens=open_tokens):
                if found:
                    return self._found(asked, answer)
                self._desk.stored(asked.event, open_tokens=open_tokens)
                return Ready(answer=answer)

    async def _stop(self, asked: _Asked, stopped: Stopped) -> Ready:
        """What the person hears when today's budget is used up: that it is, or that a person answers."""
        await self._desk.unanswered(asked.event)
        if self._lineup.budget.when_used_up is WhenUsedUp.HAND_OVER:
            passed_on = await self._desk.hand_over(asked.event, asked.question, why=Why.BUDGET)
            if passed_on is not None:
                # Not stored: what is published beside it must be published again if we die before.
                await self._paying.release(stopped)
                return passed_on
        return Ready(answer=await self._paying.say_used_up(stopped, asked.question))

    def _uncalled(self, asked: _Asked, source: str) -> None:
        self._accounts.note(
            Uncalled(
                event_id=asked.event.id,
                conversation=asked.event.key,
                tenant=asked.question.tenant,
                source=source,
                time_zone=self._lineup.budget.time_zone,
            )
        )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
