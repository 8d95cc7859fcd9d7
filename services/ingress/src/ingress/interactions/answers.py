"""What Discord is answered at once: the callback bodies, with their texts in the person's language."""

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from ingress.commands.forms import FormField, FormRule
from ingress.commands.options import CHOICES_MOST, Choice
from ingress.commands.replies import Button, Menu, Reply, Row
from ingress.commands.wording import CONTENT_MOST_CHARS, fill
from posta.domain.language import Language, language_of

_EPHEMERAL = 64
_CUSTOM_ID_MOST_CHARS = 100
_STYLES = {"primary": 1, "secondary": 2, "success": 3, "danger": 4}
_LINK = 5


class Notice(Enum):
    """Something to tell a person at once, seen by nobody else."""

    BUSY = "busy"
    """Neither Kafka nor the spool took it."""
    OVERLOADED = "overloaded"
    """Questions wait for so long already that this one would be answered too late."""
    EMPTY_QUESTION = "empty_question"
    UNKNOWN_COMMAND = "unknown_command"
    UNKNOWN_TYPE = "unknown_type"
    """A kind of interaction that is newer than this version."""
    OUT_OF_USE = "out_of_use"
    """A button, menu or form that no longer does anything."""
    NOT_ALLOWED = "not_allowed"
    """None of the person's roles may use it."""
    NOT_HERE = "not_here"
    """A command of other servers or applications."""
    TOO_OFTEN = "too_often"
    """A limit of the person, the conversation or the server."""
    REPEATED = "repeated"
    """The same text again within a few seconds."""
    CLOSED = "closed"
    """Outside the service hours."""


_TEXTS: dict[Notice, dict[Language, str]] = {
    Notice.BUSY: {
        "en": "I am very busy right now and could not take your question. Please try again in a moment.",
        "es": "Ahora mismo estoy muy ocupado y no he podido recoger tu pregunta. "
        "Inténtalo de nuevo dentro de un momento.",
    },
    Notice.OVERLOADED: {
        "en": "So many questions are waiting that yours would be answered too late. "
        "Please try again in a few minutes.",
        "es": "Hay tantas preguntas esperando que la tuya se contestaría demasiado tarde. "
        "Inténtalo de nuevo dentro de unos minutos.",
    },
    Notice.EMPTY_QUESTION: {
        "en": "Your question is empty. Please write what you would like to know.",
        "es": "Tu pregunta está vacía. Escribe lo que te gustaría saber.",
    },
    Notice.UNKNOWN_COMMAND: {
        "en": "I do not know this command. It may be new or no longer in use; please try again later.",
        "es": "No conozco este comando. Puede que sea nuevo o que ya no se use; inténtalo más tarde.",
    },
    Notice.UNKNOWN_TYPE: {
        "en": "I do not know this yet. Please use a command instead.",
        "es": "Esto todavía no lo conozco. Utiliza un comando en su lugar.",
    },
    Notice.OUT_OF_USE: {
        "en": "This is no longer in use. Please use a command instead.",
        "es": "Esto ya no se usa. Utiliza un comando en su lugar.",
    },
    Notice.NOT_ALLOWED: {
        "en": "You need another role in this server to use this.",
        "es": "Necesitas otro rol en este servidor para usar esto.",
    },
    Notice.NOT_HERE: {
        "en": "This cannot be used here.",
        "es": "Esto no se puede usar aquí.",
    },
    Notice.TOO_OFTEN: {
        "en": "That is a lot in a short time. Please wait a minute, then ask again.",
        "es": "Son muchas preguntas en poco tiempo. Espera un minuto y pregunta de nuevo.",
    },
    Notice.REPEATED: {
        "en": "You have just asked this; the answer is on its way.",
        "es": "Acabas de preguntar esto; la respuesta está en camino.",
    },
    Notice.CLOSED: {
        "en": "Nobody is on duty right now. Please ask again during service hours.",
        "es": "Ahora mismo no hay servicio. Pregunta de nuevo en el horario de atención.",
    },
}


def _callback(kind: int, data: dict[str, Any] | None = None) -> bytes:
    body: dict[str, Any] = {"type": kind} if data is None else {"type": kind, "data": data}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def private_message(text: str) -> bytes:
    """An ephemeral message (callback type 4) with ``text``."""
    return _callback(4, {"content": text, "flags": _EPHEMERAL, "allowed_mentions": {"parse": []}})


PONG = _callback(1)
DEFERRED = _callback(5)
DEFERRED_EPHEMERAL = _callback(5, {"flags": _EPHEMERAL})
DEFERRED_UPDATE = _callback(6)
NO_CHOICES = _callback(8, {"choices": []})
_NOTICES = {
    (notice, language): private_message(text)
    for notice, texts in _TEXTS.items()
    for language, text in texts.items()
}


def notice_body(notice: Notice, *, locale: str) -> bytes:
    """The ephemeral message (callback type 4) that tells ``notice`` in the language of ``locale``."""
    return _NOTICES[notice, language_of(locale)]


def reply_body(
    reply: Reply, words: Mapping[str, str], *, language: Language, ephemeral: bool, replaces: bool
) -> bytes:
    """The message ``reply`` with its placeholders filled in: new (type 4), or in the old one's place (7).

    Nothing in it pings anybody, whatever was filled in.
    """
    text = fill(reply.text.text(language), words).strip()
    data: dict[str, Any] = {
        "content": (text or "\u2026")[:CONTENT_MOST_CHARS],
        "allowed_mentions": {"parse": []},
    }
    if reply.rows or replaces:
        data["components"] = [_row(row, words, language) for row in reply.rows]
    if replaces:
        return _callback(7, data)
    return _callback(4, data | {"flags": _EPHEMERAL} if ephemeral else data)


def choices_body(choices: Sequence[Choice], *, language: Language) -> bytes:
    """What autocomplete suggests (callback type 8), at most 25."""
    shown = [{"name": one.name(language), "value": one.value} for one in choices[:CHOICES_MOST]]
    return _callback(8, {"choices": shown})


def form_body(name: str, form: FormRule, *, state: str, language: Language) -> bytes:
    """The form ``form`` (callback type 9)."""
    fields = [
        {"type": 18, "label": field.label.text(language), "component": _input(key, field, language)}
        for key, field in form.fields.items()
    ]
    data = {
        "custom_id": _custom_id(name, state),
        "title": form.title.text(language),
        "components": fields,
    }
    return _callback(9, data)


def _input(key: str, field: FormField, language: Language) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": 4,
        "custom_id": key,
        "style": 2 if field.long else 1,
        "required": field.required,
        "max_length": field.max_length,
    }
    if field.placeholder:
        shown["placeholder"] = field.placeholder.text(language)[:100]
    return shown


def _row(row: Row, words: Mapping[str, str], language: Language) -> dict[str, Any]:
    parts = [_button(one, words, language) for one in row.buttons]
    return {"type": 1, "components": parts or ([_menu(row.menu, language)] if row.menu else [])}


def _button(button: Button, words: Mapping[str, str], language: Language) -> dict[str, Any]:
    label = button.label.text(language)
    if button.url is not None:
        return {"type": 2, "style": _LINK, "label": label, "url": str(button.url)}
    custom_id = _custom_id(button.id or "", fill(button.state or "", words))
    return {"type": 2, "style": _STYLES[button.style], "label": label, "custom_id": custom_id}


def _menu(menu: Menu, language: Language) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": 3,
        "custom_id": menu.id,
        "options": [{"label": one.label.text(language), "value": one.value} for one in menu.options],
        "max_values": min(menu.choose_most, len(menu.options)),
    }
    return shown | {"placeholder": menu.placeholder.text(language)} if menu.placeholder else shown


def _custom_id(name: str, state: str) -> str:
    return f"{name}:{state}"[:_CUSTOM_ID_MOST_CHARS] if state else name
