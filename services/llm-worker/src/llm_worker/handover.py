"""Passes a question on to a person: what the one who asked is told, and what the operators get to see.

Pure. The operators' message is a published event like any other: notifier delivers it to the destination
of ``llm.yaml`` and draws it by the template of its type.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_worker.answers.claims import Answer
from llm_worker.asking.seams import Ready, Why
from llm_worker.conversation.turn import Past
from llm_worker.question import Question
from llm_worker.text import cap, sanitize
from posta import topics
from posta.domain.envelope import Event
from posta.domain.ids import derived_id, reference_number
from posta.domain.language import Language
from posta.domain.payloads import DiscordTarget, EventPublished
from posta.engine.message import Publish

TYPE = "posta.handover"
SOURCE = "/llm-worker"
_QUESTION_CHARS = 1_500
_SUMMARY_CHARS = 600
_TURN_CHARS = 250
_TOLD: Mapping[Language, str] = {
    "en": "I pass this on to a person, who will get back to you. The reference is {reference}.",
    "es": "Se lo paso a una persona, que te responderá. La referencia es {reference}.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """How questions are passed on."""

    destination: str
    """Where the operators see it."""
    turns: int
    """How many of the last turns they are shown, at most."""

    def ready(
        self,
        event: Event[Any],
        question: Question,
        past: Past,
        *,
        why: Why,
        text: Mapping[Language, str] | None = None,
    ) -> Ready:
        """What the person is told (``text`` instead of our words), and beside it the operators' event.

        The same question always makes the same event, so that a redelivery shows it once.
        """
        told = (text or _TOLD)[question.language].replace("{reference}", reference_number(event.id))
        return Ready(
            answer=Answer(text=told, model=f"person:{why}"),
            beside=(Publish(topic=topics.EVENTS_PUBLISHED, event=self._event(event, question, past, why)),),
        )

    def _event(self, event: Event[Any], question: Question, past: Past, why: Why) -> Event[EventPublished]:
        id_ = derived_id(event.id, "handover")
        at = event.time.isoformat()
        return Event(
            id=id_,
            source=SOURCE,
            time=event.time,
            key=self.destination,
            data=EventPublished(
                destination=self.destination,
                publisher="posta",
                client_id=id_,
                client_type=TYPE,
                client_source=SOURCE,
                subject=reference_number(event.id),
                occurred_at=at,
                priority="high",
                data={
                    "severity": "high",
                    "title": f"{_name(event)} wants a person",
                    "why": why.value,
                    "reference": reference_number(event.id),
                    **_who(event, question),
                    "question": cap(sanitize(question.whole), _QUESTION_CHARS),
                    "summary": cap(sanitize(past.summary), _SUMMARY_CHARS),
                    "conversation": [
                        {
                            "asked": cap(sanitize(turn.question), _TURN_CHARS),
                            "answered": cap(sanitize(turn.answer), _TURN_CHARS),
                        }
                        for turn in past.turns[len(past.turns) - self.turns :]
                    ]
                    if self.turns
                    else [],
                },
            ),
        )


def _name(event: Event[Any]) -> str:
    person = event.data.sender if hasattr(event.data, "sender") else event.data.person
    return cap(" ".join(sanitize(person.name).split()), 80) or person.id


def _who(event: Event[Any], question: Question) -> dict[str, str]:
    """How an operator reaches the person; never the interaction's token."""
    target = question.target
    if isinstance(target, DiscordTarget):
        server, channel = target.guild_id or "@me", target.channel_id
        link = f"https://discord.com/channels/{server}/{channel}" if channel else ""
        return {"medium": "discord", "person": target.user_id or "", "name": _name(event), "link": link}
    return {"medium": "email", "person": target.to, "name": _name(event), "mail": target.subject}
