"""Answers one question: the stored answer if there is one, otherwise one paid call, kept before it is sent.

    claim ─▶ Answered ───────────────────────────────────────▶ reply
          ─▶ Busy     ─▶ NotNow (until the other's lease ends)
          ─▶ Claim    ─▶ call ─▶ store ──────────────────────▶ reply
                          │        └─ store away: kept in memory, stored when the event comes again
                          └─ failed: claim released, the failure goes to the engine

Provider calls per event stay within its attempts, its waits for a rate limit and the kills it saw.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from llm_worker.claims import Answer, Answered, Answers, Busy, Claim, ClaimLost
from llm_worker.completion import Completion
from llm_worker.lease import renewed
from llm_worker.prompt import Prompt, build_prompt
from llm_worker.question import question_of
from llm_worker.replies import answer_reply, apology_reply
from llm_worker.rules import AnswerRules
from llm_worker.text import cap, sanitize
from llm_worker.unsaved import Unsaved
from posta import topics
from posta.domain.payloads import DiscordInteraction, EmailReceived
from posta.engine.message import GivenUp, Message, Publish
from posta.errors import Expired, NotNow, Transient
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_STORED_MAX_CHARS = 100_000
_MIN_CALL_S = 1.0
"""A call given less than this would be paid for in vain."""
_AFTER_LEASE_S = 0.1
_AFTER_LOSS_S = 0.5
"""Soon: the next handling learns from the store how long the new owner's lease still runs."""


class Provider(Protocol):
    """Whoever completes prompts."""

    async def complete(self, prompt: Prompt, *, timeout_s: float) -> Completion:
        """One call; raises ``Transient``, ``NotNow`` or ``Permanent``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPolicy:
    """How long things may take, in seconds."""

    timeout_s: float
    """One call."""
    lease_s: float
    """A claim without renewal."""
    delivery_reserve_s: float
    """What is left before the deadline for delivering the answer."""

    def call_budget_s(self, *, deadline: float | None, now: float) -> float:
        """How long a call begun at ``now`` may take. Raises ``Expired`` when it is too late to begin one."""
        if deadline is None:
            return self.timeout_s
        budget_s = min(self.timeout_s, deadline - now - self.delivery_reserve_s)
        if budget_s < _MIN_CALL_S:
            raise Expired("too little time is left before the question's deadline to answer it")
        return budget_s


class AnswerQuestions:
    """The handler of the group llm-worker, and what it says when it gives a question up."""

    def __init__(
        self,
        *,
        rules: AnswerRules,
        policy: AnswerPolicy,
        provider: Provider,
        answers: Answers,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules
        self._policy = policy
        self._provider = provider
        self._answers = answers
        self._clock = clock
        self._unsaved = Unsaved()

    async def handle(self, message: Message[Any]) -> Iterable[Publish]:
        """The reply to a question, as ``posta.engine.message.Handler`` wants it."""
        event = message.event
        question = question_of(event.data)
        answer = await self._kept(event.id)
        if answer is None:
            prompt = build_prompt(question, self._rules)
            answer = await self._answer(event.id, prompt, message.deadline)
        reply = answer_reply(event, answer.text, at=self._now())
        return [Publish(topic=topics.REPLIES_READY, event=reply)]

    async def apologise(self, message: Message[Any], given_up: GivenUp) -> Iterable[Publish]:
        """The apology for a question that becomes a dead letter; nothing when it could reach nobody."""
        event = message.event
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
        claim, answer = unsaved
        stored = await self._answers.store(claim, answer)
        self._unsaved.drop(event_id)
        return answer if stored else None

    async def _answer(self, event_id: str, prompt: Prompt, deadline: float | None) -> Answer:
        match await self._answers.claim(event_id):
            case Answered(answer=answer):
                log.info("answer_found", event_id=event_id)
                return answer
            case Busy(lease_left_s=left_s):
                raise NotNow("another worker is answering this", wait_s=left_s + _AFTER_LEASE_S)
            case Claim() as claim:
                return await self._pay(claim, prompt, deadline)

    async def _pay(self, claim: Claim, prompt: Prompt, deadline: float | None) -> Answer:
        async with renewed(self._answers, claim, every_s=self._policy.lease_s / 3):
            budget_s = self._policy.call_budget_s(deadline=deadline, now=self._clock())
            answer = _worth_keeping(await self._provider.complete(prompt, timeout_s=budget_s))
            self._unsaved.keep(claim, answer)
            # Shielded: whoever cancels us now gains milliseconds and loses a paid answer.
            stored = await asyncio.shield(self._answers.store(claim, answer))
        self._unsaved.drop(claim.event_id)
        if not stored:
            raise ClaimLost("another worker took this over", wait_s=_AFTER_LOSS_S)
        return answer

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _worth_keeping(completion: Completion) -> Answer:
    text = cap(sanitize(completion.text), _STORED_MAX_CHARS)
    if not text:
        raise Transient("the LLM's answer holds nothing that can be shown")
    return Answer(
        text=text,
        model=completion.model,
        tokens_in=completion.tokens_in,
        tokens_out=completion.tokens_out,
    )
