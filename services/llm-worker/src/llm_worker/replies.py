"""Writes the replies: the answer as its medium can carry it, or the apology that there is none."""

from collections.abc import Mapping
from datetime import datetime

from llm_worker.question import target_of
from llm_worker.text import cap, sanitize
from posta.domain.envelope import Event
from posta.domain.ids import derived_id, reference_number
from posta.domain.language import Language, language_of
from posta.domain.payloads import DiscordInteraction, EmailReceived, ReplyReady

SOURCE = "/llm-worker"
DISCORD_MAX_CHARS = 20_000
"""Ten messages' worth: notifier splits what is longer than one, and sends the rest as a file."""
EMAIL_MAX_CHARS = 20_000

_APOLOGY: Mapping[Language, str] = {
    "en": (
        "I am sorry: I could not answer your question. "
        "Please try again later. If you ask for help, mention the reference {reference}."
    ),
    "es": (
        "Lo siento: no he podido responder a tu pregunta. "
        "Vuelve a intentarlo más tarde. Si pides ayuda, menciona la referencia {reference}."
    ),
}

_REFUSAL: Mapping[Language, str] = {
    "en": "I am sorry: I cannot help with this question.",
    "es": "Lo siento: no puedo ayudarte con esta pregunta.",
}

Asking = Event[DiscordInteraction] | Event[EmailReceived]


def answer_reply(asked: Asking, text: str, *, at: datetime) -> Event[ReplyReady]:
    """The answer ``text`` as the event that delivers it; the same question always gets the same id."""
    max_chars = DISCORD_MAX_CHARS if isinstance(asked.data, DiscordInteraction) else EMAIL_MAX_CHARS
    return Event(
        id=derived_id(asked.id, "answer"),
        source=SOURCE,
        time=at,
        key=asked.key,
        data=ReplyReady(
            question_id=asked.id,
            kind="answer",
            target=target_of(asked.data),
            text=cap(sanitize(text), max_chars),
            locale=asked.data.locale,
        ),
        expires_at=asked.expires_at,
    )


def apology_reply(asked: Asking, *, at: datetime) -> Event[ReplyReady] | None:
    """The apology as an event, or None when it could reach nobody any more.

    An expired interaction's token is dead. A mail can be answered at any time, so that its apology
    never expires.
    """
    on_discord = isinstance(asked.data, DiscordInteraction)
    if on_discord and asked.expires_at is not None and at >= asked.expires_at:
        return None
    return Event(
        id=derived_id(asked.id, "apology"),
        source=SOURCE,
        time=at,
        key=asked.key,
        data=ReplyReady(
            question_id=asked.id,
            kind="apology",
            target=target_of(asked.data),
            text=apology_text(asked.data.locale, reference=reference_number(asked.id)),
            locale=asked.data.locale,
        ),
        expires_at=asked.expires_at if on_discord else None,
    )


def apology_text(locale: str, *, reference: str) -> str:
    """What the person is told, in their language, with the reference an operator can look up."""
    return _APOLOGY[language_of(locale)].format(reference=reference)


def refusal_text(locale: str) -> str:
    """What the person is told when the model would not answer, in their language."""
    return _REFUSAL[language_of(locale)]
