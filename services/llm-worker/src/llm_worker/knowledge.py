"""Puts together what a worker knows: frequent questions, catalogue, conversations, answers given before."""

from collections.abc import Callable
from dataclasses import dataclass

from llm_worker.asking.asker import Asker, Refusal
from llm_worker.asking.estimate import most_tokens
from llm_worker.asking.routes import first_model
from llm_worker.asking.turns import Inquiry, NoTurn, Turn
from llm_worker.cache.postgres import AnswerCache
from llm_worker.catalogue.postgres import Catalogue
from llm_worker.conversation.erasure import Erasure
from llm_worker.conversation.postgres import Conversations
from llm_worker.conversation.summaries import Summaries, Summarise
from llm_worker.desk import KnowingDesk
from llm_worker.faq.file import FaqFile
from llm_worker.handover import HandOver
from llm_worker.prompt import Prompt
from llm_worker.prompts.builder import KnowingPrompts
from llm_worker.prompts.sources import Sources
from llm_worker.providers.lineup import Lineup
from llm_worker.providers.rules import HandoverRules
from llm_worker.rules import AnswerRules
from llm_worker.settings import CacheSettings, MemorySettings
from llm_worker.spending.budget import BudgetUsedUp, limit_of
from llm_worker.spending.ledger import Ledger
from llm_worker.spending.rules import SUMMARIES
from posta.errors import Transient
from posta.postgres.pool import Database

_SUMMARY_TOKENS = 600
"""Longest summary: many turns in one, so more than an answer may have."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Where everything that is known is kept."""

    rules: AnswerRules
    faq: FaqFile
    database: Database
    memory: MemorySettings
    cache: CacheSettings
    handover: HandoverRules
    catalogue: Catalogue

    def prompts(self) -> KnowingPrompts:
        """What builds prompts."""
        return KnowingPrompts(self.rules, Sources(self.database, self.catalogue), self.memory.policy())

    def summaries(self, summarise: Summarise) -> Summaries:
        """What keeps conversations short."""
        return Summaries(self._conversations, self.database, summarise, most_tokens, self.memory.policy())

    def desk(self, summaries: Summaries) -> KnowingDesk:
        """What answers without a call."""
        return KnowingDesk(
            faq=self.faq.matcher(),
            faq_answers=self.faq.answers(),
            catalogue=self.catalogue,
            cache=self.answer_cache() if self.cache.enabled else None,
            conversations=self._conversations,
            erasure=Erasure(self.database),
            summaries=summaries,
            handover=self._handover,
            policy=self.memory.policy(),
            instruction_version=self.rules.version,
        )

    def answer_cache(self) -> AnswerCache:
        """Where answers to repeated questions are."""
        return AnswerCache(self.database, ttl_s=self.cache.ttl_s, asking_s=self.cache.asking_s)

    @property
    def _handover(self) -> HandOver | None:
        destination = self.handover.destination
        return HandOver(destination=destination, turns=self.handover.turns) if destination else None

    @property
    def _conversations(self) -> Conversations:
        return Conversations(self.database)


def summarise_by(asker: Asker, lineup_now: Callable[[], Lineup], ledger: Ledger) -> Summarise:
    """Asks for summaries by the last route, within the shared allowance and after everything urgent."""

    async def summarise(name: str, prompt: Prompt) -> str:
        lineup = lineup_now()
        route = lineup.last_asked
        if route is None:
            raise Transient("no route of llm.yaml asks a model")
        inquiry = Inquiry(
            event_id=name,
            tenant=SUMMARIES,
            route=route,
            prompt=prompt,
            is_urgent=False,
            last_end=None,
            max_tokens=_SUMMARY_TOKENS,
            conversation=name,
            limit=limit_of(SUMMARIES, lineup.budget),
        )

        async def reserve(turn: Turn) -> None:
            await ledger.begin(turn.call)
            inquiry.tab.begin(turn.call)

        try:
            turn = await asker.turn(inquiry, first_model(route, name))
            try:
                await reserve(turn)
            except BaseException:
                asker.give_back(turn)
                raise
            said = await asker.ask(inquiry, turn, reserve)
        except NoTurn as exc:
            raise Transient("no room to ask for a summary now") from exc
        except BudgetUsedUp as exc:
            raise Transient("today's budget for summaries is used up") from exc
        finally:
            ledger.settle(inquiry.tab.close(), used=inquiry.tab.used)
        if isinstance(said, Refusal):
            raise Transient("the model would not summarise this")
        return said.text

    return summarise
