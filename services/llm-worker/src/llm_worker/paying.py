"""Pays for an answer once: claimed before the call, stored before it is published, kept if that fails.

turn ─▶ claim ─┬▶ Answered: give the turn back ───────────────▶ that answer
├▶ Busy: give it back, NotNow (until the other's lease ends)
├▶ OverBudget: give it back ───────────────────▶ what the person hears then
└▶ Claim ─▶ call ─▶ store ─────────────────────▶ the answer
│        └─ store away: kept in memory, stored when it comes again
└─ failed: claim released, the failure goes to the engine
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from llm_worker.answers.claims import (
    Answer,
    Answered,
    Answers,
    Busy,
    Claim,
    ClaimLost,
    Notes,
    OverBudget,
    Stored,
)
from llm_worker.answers.lease import renewed
from llm_worker.answers.unsaved import Kept, Unsaved
from llm_worker.asking.admission import Admission
from llm_worker.asking.asker import Asker, Refusal
from llm_worker.asking.turns import Inquiry, NoTurn, Turn
from llm_worker.prompt import Prompt
from llm_worker.providers.completion import Completion
from llm_worker.question import Question
from llm_worker.replies import refusal_text
from llm_worker.spending.accounts import Accounts, note_lost, note_refused, note_warning
from llm_worker.spending.budget import USED_UP, BudgetUsedUp, used_up_text
from llm_worker.spending.call import Call
from llm_worker.text import cap, sanitize
from posta.domain.language import Language
from posta.errors import NotNow, Transient

_STORED_MAX_CHARS = 100_000
_AFTER_LEASE_S = 0.1
_AFTER_LOSS_S = 0.5
"""Soon: the next handling learns from the store how long the new owner's lease still runs."""

NotesOf = Callable[[Answer], Notes | None]
"""What is noted with an answer when it is stored; None: nothing."""
Finish = Callable[[str, Prompt, Language], str]
"""The last look at what a model wrote to a prompt: what of it the person is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """An answer from the store, by this call or an earlier one."""

    answer: Answer
    found: bool
    """It was paid for before."""
    open_tokens: int | None = None
    """Of the conversation that it is remembered in, not yet summarised; None: it was not stored just now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """No call may be made: what its tenant may spend today is spent. The claim is still held."""

    claim: Claim


class Paying:
    """See the module; ``lease_s`` is how long a claim lasts without renewal."""

    def __init__(
        self,
        answers: Answers,
        asker: Asker,
        admission: Admission,
        accounts: Accounts,
        *,
        finish: Finish,
        lease_s: float,
    ) -> None:
        self._answers = answers
        self._asker = asker
        self._admission = admission
        self._accounts = accounts
        self._finish = finish
        self._lease_s = lease_s
        self._unsaved = Unsaved()

    def use(self, finish: Finish) -> None:
        """Show what models write so from now on."""
        self._finish = finish

    async def found(self, event_id: str) -> Answer | None:
        """The answer that somebody has paid for already."""
        return await self._answers.find(event_id)

    async def kept(self, event_id: str) -> Paid | None:
        """The answer that this process paid for and could not store before, now stored."""
        unsaved = self._unsaved.find(event_id)
        if unsaved is None:
            return None
        stored = await self._store(unsaved)
        self._unsaved.drop(event_id)
        if stored is None:
            return None
        return Paid(answer=unsaved.answer, found=False, open_tokens=stored.open_tokens)

    async def pay(
        self, question: Question, inquiry: Inquiry, turn: Turn, *, notes_of: NotesOf, scratch: str | None
    ) -> Paid | Stopped:
        """The answer, by the call that ``turn`` is for unless it was paid for before.

        What is noted of it is stored with it, so that no crash comes between.
        """
        try:
            claimed = await self._answers.claim(inquiry.event_id, scratch=scratch, call=turn.call)
        except BaseException:
            self._asker.give_back(turn)
            raise
        match claimed:
            case Answered(answer=answer):
                self._asker.give_back(turn)
                return Paid(answer=answer, found=True)
            case Busy(lease_left_s=left_s):
                self._asker.give_back(turn)
                raise NotNow("another worker is answering this", wait_s=left_s + _AFTER_LEASE_S)
            case OverBudget(claim=claim, first=first):
                self._asker.give_back(turn)
                note_refused(question.tenant, event_id=inquiry.event_id, first=first)
                return Stopped(claim=claim)
            case Claim() as claim:
                inquiry.tab.begin(turn.call)
                if claim.warns:
                    note_warning(turn.call)
                try:
                    return await self._pay(claim, question, inquiry, turn, notes_of)
                except BudgetUsedUp:
                    note_refused(question.tenant, event_id=inquiry.event_id, first=False)
                    return Stopped(claim=claim)

    async def say_used_up(self, stopped: Stopped, question: Question) -> Answer:
        """Store, and tell the person, that today's budget is used up."""
        answer = Answer(text=used_up_text(question.locale), model=USED_UP)
        if not await self._answers.store(stopped.claim, answer):
            raise ClaimLost("another worker took this over", wait_s=_AFTER_LOSS_S)
        return answer

    async def release(self, stopped: Stopped) -> None:
        """Nothing is stored: the claim is free."""
        await self._answers.release(stopped.claim)

    async def _pay(
        self, claim: Claim, question: Question, inquiry: Inquiry, turn: Turn, notes_of: NotesOf
    ) -> Paid:
        tab = inquiry.tab
        try:
            async with renewed(self._answers, claim, every_s=self._lease_s / 3, tab=tab):
                turn = await self._fresh(claim, inquiry, turn)
                said = await self._say(claim, inquiry, turn)
                answer = self._worth_keeping(said, question, inquiry.prompt)
                ended = tab.close()
                kept = Kept(claim=claim, answer=answer, ended=ended, used=tab.used, notes=notes_of(answer))
                self._unsaved.keep(kept)
                # Shielded: whoever cancels us now gains milliseconds and loses a paid answer.
                stored = await asyncio.shield(self._store(kept))
                tab.clear(ended)
        finally:
            if tab.ended and self._unsaved.find(claim.event_id) is None:
                self._accounts.settle(tab.ended)
        self._unsaved.drop(claim.event_id)
        if stored is None:
            note_lost(ended, used=tab.used)
            raise ClaimLost("another worker took this over", wait_s=_AFTER_LOSS_S)
        return Paid(answer=answer, found=False, open_tokens=stored.open_tokens)

    async def _store(self, kept: Kept) -> Stored | None:
        return await self._answers.store(
            kept.claim, kept.answer, ended=kept.ended, used=kept.used, notes=kept.notes
        )

    async def _say(self, claim: Claim, inquiry: Inquiry, turn: Turn) -> Completion | Refusal:
        try:
            return await self._asker.ask(
                inquiry, turn, lambda another: self._once_more(claim, inquiry, another.call)
            )
        except NoTurn as exc:
            raise self._admission.failure(inquiry, exc.shortage) from None

    async def _fresh(self, claim: Claim, inquiry: Inquiry, turn: Turn) -> Turn:
        """The turn, or another one if claiming took so long that it may not be used any more."""
        if self._asker.is_fresh(turn):
            return turn
        self._asker.give_back(turn)
        inquiry.tab.close()
        try:
            another = await self._asker.turn(inquiry, turn.model)
        except NoTurn as exc:
            raise self._admission.failure(inquiry, exc.shortage) from None
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
