"""Tells a person that their answer exists but could not be delivered, where that still has a chance.

Pure. Only an *answer* is apologised for, never an apology, so that no loop can begin; and only where
another message may get through: the content was refused, or Discord failed for minutes and the
token still lives. A mail that may have been sent is never followed by a claim that it was not.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from notifier.refusals import ContentRefused
from posta.domain.envelope import Event
from posta.domain.ids import derived_id, reference_number
from posta.domain.language import Language, language_of
from posta.domain.payloads import DiscordTarget, ReplyReady
from posta.domain.retry import ErrorClass
from posta.engine.message import GivenUp

SOURCE = "/notifier"
_USED_UP = frozenset({ErrorClass.TRANSIENT, ErrorClass.UNEXPECTED})

_TEXT: Mapping[Language, str] = {
    "en": (
        "I am sorry: your question was answered, but the answer could not be delivered. "
        "Please ask again. If you ask for help, mention the reference {reference}."
    ),
    "es": (
        "Lo siento: tu pregunta tiene respuesta, pero no se ha podido entregar. "
        "Vuelve a preguntar, por favor. Si pides ayuda, menciona la referencia {reference}."
    ),
}


def apology_for(event: Event[Any], given_up: GivenUp, *, at: datetime) -> Event[ReplyReady] | None:
    """The apology for ``event``, or None when there is to be none; the same event makes the same id."""
    reply = event.data
    if not isinstance(reply, ReplyReady) or reply.kind != "answer" or not _has_a_chance(reply, given_up):
        return None
    if event.expires_at is not None and at >= event.expires_at:
        return None
    return Event(
        id=derived_id(event.id, "apology"),
        source=SOURCE,
        time=at,
        key=event.key,
        data=ReplyReady(
            question_id=reply.question_id,
            kind="apology",
            target=reply.target,
            text=_TEXT[language_of(reply.locale)].format(reference=reference_number(event.id)),
            locale=reply.locale,
        ),
        expires_at=event.expires_at,
    )


def _has_a_chance(reply: ReplyReady, given_up: GivenUp) -> bool:
    if isinstance(given_up.error, ContentRefused):
        return True
    return isinstance(reply.target, DiscordTarget) and given_up.error_class in _USED_UP
