"""What is decided before any budget is touched: forgetting, frequent questions, answers given before.

/forget ─▶ erased                        route to a person ─▶ passed on        static route ─▶ its text
frequent question ─▶ its answer          FAQ-only route, not frequent ─▶ its text
asked before in this scope ─▶ that answer         being asked by another ─▶ wait for it
nothing of these ─▶ the model is asked; with its answer the turn is remembered and the answer shared
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_worker.answers.claims import Answer, Notes
from llm_worker.asking.estimate import most_tokens
from llm_worker.asking.seams import Ready, Why
from llm_worker.cache.key import cache_key, is_personal
from llm_worker.cache.postgres import AnswerCache, Elsewhere, Hit
from llm_worker.catalogue.postgres import Catalogue
from llm_worker.catalogue.summary import filled_in, named_in
from llm_worker.conversation.erasure import BY_PERSON, Erasure
from llm_worker.conversation.postgres import Conversations
from llm_worker.conversation.summaries import Summaries
from llm_worker.conversation.turn import MemoryPolicy, NewTurn
from llm_worker.faq.matcher import Matcher
from llm_worker.handover import HandOver
from llm_worker.providers.lineup import Route
from llm_worker.providers.rules import AnsweredBy
from llm_worker.question import Question
from llm_worker.text import cap, sanitize
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
    "en": "Done: everything you asked me and what I answered has been deleted from my memory.",
    "es": "Hecho: se ha borrado de mi memoria todo lo que me preguntaste y lo que te respondí.",
}
_LOOK_AGAIN_S = 1.0
_REMEMBERED_CHARS = 8_000
"""Of a question; no later prompt is shown more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowingDesk:
    """The ``Desk`` of a worker with a memory."""

    faq: Matcher
    faq_answers: dict[str, dict[Language, str]]
    catalogue: Catalogue
    cache: AnswerCache | None
    """None: answers are not shared."""
    conversations: Conversations
    erasure: Erasure
    summaries: Summaries
    handover: HandOver | None
    """None: nobody to pass questions on to."""
    policy: MemoryPolicy
    instruction_version: str

    async def ready(
        self, event: Event[Any], question: Question, route: Route, *, scratch: str | None
    ) -> Ready | None:
        """See ``Desk``. Raises ``NotNow`` while another worker asks the same."""
        if question.command == FORGET:
            return await self._forgotten(event, question)
        match route.answers:
            case AnsweredBy.PERSON:
                return await self.hand_over(event, question, why=Why.ASKED, text=route.text)
            case AnsweredBy.STATIC:
                return await self._said(event, question, route, source="static")
            case AnsweredBy.FAQ:
                frequent = await self._frequent(event, question)
                return frequent or await self._said(event, question, route, source="faq_only")
        if scratch is not None:
            await self._uncached(event.id)
            return None
        return await self._frequent(event, question) or await self._from_cache(event, question)

    def notes(self, event: Event[Any], question: Question, answer: Answer) -> Notes:
        """See ``Desk``."""
        shared_for_s = None if self.cache is None or is_personal(question.whole) else self.cache.ttl_s
        return Notes(turn=self._turn(event, question, answer), shared_for_s=shared_for_s)

    def stored(self, event: Event[Any], *, open_tokens: int | None) -> None:
        """See that the conversation stays short."""
        if open_tokens is not None:
            self._keep_short(event.key, open_tokens)

    async def unanswered(self, event: Event[Any]) -> None:
        """See ``Desk``."""
        if self.cache is not None:
            await self.cache.let_go(event.id)

    async def hand_over(
        self, event: Event[Any], question: Question, *, why: Why, text: Mapping[Language, str] | None = None
    ) -> Ready | None:
        """See ``Desk``."""
        if self.handover is None:
            return None
        past = await self.conversations.past(event.key, turns=self.handover.turns)
        ready = self.handover.ready(event, question, past, why=why, text=text or None)
        names.LLM_UNCALLED.labels("person").inc()
        log.info("passed_on_to_a_person", event_id=event.id, why=why.value)
        await self._remember(event, question, ready.answer)
        return ready

    async def _forgotten(self, event: Event[Any], question: Question) -> Ready:
        erased = await self.erasure.erase(person_of(event), by=BY_PERSON)
        names.LLM_UNCALLED.labels("forget").inc()
        log.info("person_forgotten", event_id=event.id, **erased.as_fields())
        return Ready(answer=Answer(text=_FORGOTTEN[question.language], model="forget"))

    async def _said(self, event: Event[Any], question: Question, route: Route, *, source: str) -> Ready:
        names.LLM_UNCALLED.labels(source).inc()
        answer = Answer(text=route.text[question.language], model=f"{source}:{route.name}")
        await self._remember(event, question, answer)
        return Ready(answer=answer)

    async def _frequent(self, event: Event[Any], question: Question) -> Ready | None:
        entry = self.faq.match(question.whole)
        if entry is None:
            return None
        text = await self._with_facts(self.faq_answers[entry.id][question.language], question.language)
        if text is None:
            log.info("faq_without_catalogue", event_id=event.id, entry=entry.id)
            return None
        names.LLM_UNCALLED.labels("faq").inc()
        log.info("answered_from_faq", event_id=event.id, entry=entry.id)
        answer = Answer(text=text, model=f"faq:{entry.id}")
        await self._remember(event, question, answer)
        return Ready(answer=answer)

    async def _with_facts(self, text: str, language: Language) -> str | None:
        """An answer with what the catalogue says now; None when it does not say it."""
        if not named_in(text):
            return text
        return filled_in(text, (await self.catalogue.summary()).facts(language))

    async def _from_cache(self, event: Event[Any], question: Question) -> Ready | None:
        key = self._key(question)
        if key is None or self.cache is None:
            return None
        match await self.cache.look(key, scope=question.tenant, event_id=event.id, conversation=event.key):
            case Hit(text=text, event_id=origin):
                names.LLM_UNCALLED.labels("cache").inc()
                log.info("answered_from_cache", event_id=event.id, answered_first=origin)
                answer = Answer(text=text, model=f"cache:{origin}")
                await self._remember(event, question, answer)
                return Ready(answer=answer)
            case Elsewhere(left_s=left_s):
                raise NotNow("the same is being asked", wait_s=min(left_s + 0.1, _LOOK_AGAIN_S))
            case _:
                return None

    async def _uncached(self, event_id: str) -> None:
        """Nobody is given this event's answer again: an admin wants a better one."""
        if self.cache is not None:
            await self.cache.drop(event_id)

    def _key(self, question: Question) -> str | None:
        """The question's name in the cache; None for one that is personal."""
        return cache_key(
            question.whole,
            scope=question.tenant,
            language=question.language,
            instruction=self.instruction_version,
        )

    def _turn(self, event: Event[Any], question: Question, answer: Answer) -> NewTurn:
        asked = cap(sanitize(question.whole), _REMEMBERED_CHARS)
        return NewTurn(
            conversation=event.key,
            person=person_of(event),
            language=question.language,
            event_id=event.id,
            question=asked,
            answer=answer.text,
            tokens=most_tokens(asked) + most_tokens(answer.text),
        )

    async def _remember(self, event: Event[Any], question: Question, answer: Answer) -> None:
        self._keep_short(event.key, await self.conversations.add(self._turn(event, question, answer)))

    def _keep_short(self, conversation: str, open_tokens: int) -> None:
        if open_tokens > self.policy.summary_threshold:
            self.summaries.want(conversation)


def person_of(event: Event[Any]) -> str:
    """Who asked, as erasing a person names them: ``discord:<id>`` or ``email:<address>``."""
    data = event.data
    if isinstance(data, EmailReceived):
        return f"email:{data.sender.id.casefold()}"
    return f"discord:{data.person.id}"
