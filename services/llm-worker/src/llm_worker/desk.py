"""What is decided before any budget is touched: forgetting, frequent questions, answers given before.

/forget ─▶ erased            frequent question ─▶ its answer
asked before in this scope ─▶ that answer         being asked by another ─▶ wait for it
nothing of these ─▶ the model is asked; then the turn is remembered and the answer cached
"""

from dataclasses import dataclass
from typing import Any

from llm_worker.answers.claims import Answer
from llm_worker.asking.estimate import most_tokens
from llm_worker.cache.key import cache_key
from llm_worker.cache.postgres import AnswerCache, Elsewhere, Hit
from llm_worker.catalogue.postgres import Catalogue
from llm_worker.conversation.postgres import Conversations
from llm_worker.conversation.summaries import Summaries
from llm_worker.conversation.turn import MemoryPolicy
from llm_worker.faq.matcher import Matcher
from llm_worker.question import Question
from posta.domain.envelope import Event
from posta.domain.language import Language
from posta.domain.payloads import EmailReceived
from posta.errors import NotNow
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
FORGET = "forget"
"""The command by which people have themselves forgotten."""
_FORGOTTEN: dict[Language, str] = {
    "en": "Done: everything you asked here and what was answered has been deleted.",
    "es": "Hecho: se ha borrado todo lo que preguntaste aquí y lo que se te respondió.",
}
_LOOK_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class KnowingDesk:
    """The ``Desk`` of a worker with a memory."""

    faq: Matcher
    faq_answers: dict[str, dict[Language, str]]
    cache: AnswerCache | None
    """None: answers are not shared."""
    conversations: Conversations
    summaries: Summaries
    catalogue: Catalogue
    policy: MemoryPolicy
    instruction_version: str

    async def ready(self, event: Event[Any], question: Question) -> Answer | None:
        """The answer without a call. Raises ``NotNow`` while another worker asks the same."""
        if question.command == FORGET:
            return await self._forgotten(event, question)
        entry = self.faq.match(_asked(question))
        if entry is not None:
            names.LLM_UNCALLED.labels("faq").inc()
            log.info("answered_from_faq", event_id=event.id, entry=entry.id)
            answer = Answer(text=self.faq_answers[entry.id][question.language], model=f"faq:{entry.id}")
            await self._remember(event, question, answer)
            return answer
        return await self._from_cache(event, question)

    async def noted(self, event: Event[Any], question: Question, answer: Answer) -> None:
        """Remember the turn, and let others have the answer."""
        key = await self._key(event, question)
        if key is not None and self.cache is not None:
            await self.cache.keep(key, event_id=event.id, text=answer.text, model=answer.model)
        await self._remember(event, question, answer)

    async def _forgotten(self, event: Event[Any], question: Question) -> Answer:
        count = await self.conversations.erase(person_of(event))
        names.LLM_UNCALLED.labels("forget").inc()
        log.info("person_forgotten", event_id=event.id, conversations=count)
        return Answer(text=_FORGOTTEN[question.language], model="forget")

    async def _from_cache(self, event: Event[Any], question: Question) -> Answer | None:
        key = await self._key(event, question)
        if key is None or self.cache is None:
            return None
        match await self.cache.look(key, scope=question.tenant, event_id=event.id):
            case Hit(text=text, event_id=origin):
                names.LLM_UNCALLED.labels("cache").inc()
                log.info("answered_from_cache", event_id=event.id, answered_first=origin)
                answer = Answer(text=text, model=f"cache:{origin}")
                await self._remember(event, question, answer)
                return answer
            case Elsewhere(left_s=left_s):
                raise NotNow("the same is being asked", wait_s=min(left_s + 0.1, _LOOK_AGAIN_S))
            case _:
                return None

    async def _key(self, event: Event[Any], question: Question) -> str | None:
        """The question's name in the cache; None for one that is personal or continues a conversation."""
        past = await self.conversations.past(event.key, turns=1)
        if past.summary or any(turn for turn in past.turns):
            return None
        return cache_key(
            _asked(question),
            scope=question.tenant,
            language=question.language,
            context=f"{await self.catalogue.version()}:{self.instruction_version}",
        )

    async def _remember(self, event: Event[Any], question: Question, answer: Answer) -> None:
        asked = _asked(question)
        open_tokens = await self.conversations.add(
            event.key,
            person=person_of(event),
            language=question.language,
            event_id=event.id,
            question=asked,
            answer=answer.text,
            tokens=most_tokens(asked) + most_tokens(answer.text),
        )
        if open_tokens > self.policy.summary_threshold:
            self.summaries.want(event.key)


def person_of(event: Event[Any]) -> str:
    """Who asked, as erasing a person names them: ``discord:<id>`` or ``email:<address>``."""
    data = event.data
    if isinstance(data, EmailReceived):
        return f"email:{data.sender.id.casefold()}"
    return f"discord:{data.person.id}"


def _asked(question: Question) -> str:
    return f"{question.subject}\n{question.text}".strip() if question.subject else question.text
