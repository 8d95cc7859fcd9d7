"""PURE: an example of an event's data, made from its model and accepted by it."""

import json
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

_NAMED: dict[str, object] = {
    "account": "posta@example.org",
    "application_id": "1265000000000000001",
    "channel_id": "1265000000000000004",
    "client_id": "nightly-2026-01-31",
    "client_source": "/nas/backup",
    "client_type": "backup.failed",
    "command": "ask",
    "data": {"job": "nightly", "exit_code": 23},
    "destination": "ops",
    "guild_id": "1265000000000000003",
    "id": "1265000000000000005",
    "in_reply_to": "<4f1c@example.net>",
    "interaction_id": "1265000000000000002",
    "kind": 2,
    "locale": "es-ES",
    "mailbox": "INBOX",
    "message_id": "<9b2e@example.net>",
    "name": "Ana",
    "occurred_at": "2026-01-31T12:00:00Z",
    "options": {"question": "¿Qué es una posta?"},
    "publisher": "backup",
    "question_id": "discord:1265000000000000002",
    "references": ["<4f1c@example.net>"],
    "subject": "¿Qué es una posta?",
    "text": "¿Qué es una posta?",
    "to": "ana@example.net",
    "to_name": "Ana",
    "token": "(a secret)",
    "uid": 4711,
    "uidvalidity": 1,
    "EmailReceived.sender": {"id": "ana@example.net", "name": "Ana"},
    "EventPublished.subject": "nightly",
    "ReplyReady.text": "Una posta es la parada donde un correo cambiaba de caballo.",
}
"""What reads well, by field or by model and field; others get their default or the first they allow."""


def example(model: type[BaseModel]) -> str:
    """Return the data as the JSON of a record, indented. Raises ValidationError if it does not fit."""
    checked = model.model_validate(_values(model))
    return json.dumps(checked.model_dump(mode="json"), indent=2, ensure_ascii=False)


def _values(model: type[BaseModel]) -> dict[str, Any]:
    return {
        name: _value(model, name, field.annotation)
        for name, field in model.model_fields.items()
        if field.is_required() or name in _NAMED or get_origin(field.annotation) is Literal
    }


def _value(model: type[BaseModel], name: str, annotation: Any) -> Any:
    if f"{model.__name__}.{name}" in _NAMED:
        return _NAMED[f"{model.__name__}.{name}"]
    choices = get_args(annotation)
    for choice in (annotation, *choices):
        if isinstance(choice, type) and issubclass(choice, BaseModel):
            return _values(choice)
    if get_origin(annotation) is Literal:
        return choices[0]
    return _NAMED[name]
