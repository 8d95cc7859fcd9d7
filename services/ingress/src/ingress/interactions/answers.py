"""What Discord is answered at once: the callback bodies, with their texts in the person's language."""

import json
from enum import Enum
from typing import Any

from posta.domain.language import Language, language_of

_EPHEMERAL = 64


class Notice(Enum):
    """Something to tell a person at once, seen by nobody else."""

    BUSY = "busy"
    EMPTY_QUESTION = "empty_question"
    UNKNOWN_COMMAND = "unknown_command"
    OUT_OF_USE = "out_of_use"
    """A button, menu or form that no longer does anything."""


_TEXTS: dict[Notice, dict[Language, str]] = {
    Notice.BUSY: {
        "en": "I am very busy right now and could not take your question. Please try again in a moment.",
        "es": "Ahora mismo estoy muy ocupado y no he podido recoger tu pregunta. "
        "Inténtalo de nuevo dentro de un momento.",
    },
    Notice.EMPTY_QUESTION: {
        "en": "Your question is empty. Please write what you would like to know.",
        "es": "Tu pregunta está vacía. Escribe lo que te gustaría saber.",
    },
    Notice.UNKNOWN_COMMAND: {
        "en": "I do not know this command. It may be new or no longer in use; please try again later.",
        "es": "No conozco este comando. Puede que sea nuevo o que ya no se use; inténtalo más tarde.",
    },
    Notice.OUT_OF_USE: {
        "en": "This is no longer in use. Please use a command instead.",
        "es": "Esto ya no se usa. Utiliza un comando en su lugar.",
    },
}


def _callback(kind: int, data: dict[str, Any] | None = None) -> bytes:
    body: dict[str, Any] = {"type": kind} if data is None else {"type": kind, "data": data}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def _message(text: str) -> bytes:
    return _callback(4, {"content": text, "flags": _EPHEMERAL, "allowed_mentions": {"parse": []}})


PONG = _callback(1)
DEFERRED = _callback(5)
DEFERRED_EPHEMERAL = _callback(5, {"flags": _EPHEMERAL})
NO_CHOICES = _callback(8, {"choices": []})
_NOTICES = {
    (notice, language): _message(text) for notice, texts in _TEXTS.items() for language, text in texts.items()
}


def notice_body(notice: Notice, *, locale: str) -> bytes:
    """The ephemeral message (callback type 4) that tells ``notice`` in the language of ``locale``."""
    return _NOTICES[notice, language_of(locale)]
