"""Any JSON webhook as events, by the rules of ``receivers.yaml``. Pure."""

from typing import Any

from ingress.events.cloudevent import Published
from ingress.receivers.arrival import NotUnderstood, bounded, event
from ingress.receivers.mapping import Missing, Template, look_up, parse_path
from ingress.receivers.rules import Choice, Json, Text


def mapped_events(body: dict[str, Any], rules: Json) -> tuple[Published, ...]:
    """The events of one request. Raises ``NotUnderstood`` naming what is missing, or ``WrongFields``."""
    if rules.each is None:
        return (_event(body, rules),)
    elements = look_up(body, parse_path(rules.each))
    if not isinstance(elements, list):
        raise NotUnderstood(f"The body has no list at {rules.each!r:.80}.")
    return bounded(_event(element, rules) for element in elements)


def _event(body: object, rules: Json) -> Published:
    try:
        data = (
            {name: _filled(text, body) for name, text in rules.data.items()}
            if rules.data is not None
            else body
            if isinstance(body, dict)
            else {"value": body}
        )
        return event(
            type_=_filled(rules.type, body),
            data=data,
            source=_optional(rules.source, body),
            subject=_optional(rules.subject, body),
            id=_optional(rules.id, body),
            thread_key=_optional(rules.thread_key, body),
            dedupe_key=_optional(rules.dedupe_key, body),
            destination=rules.destination,
        )
    except Missing as exc:
        raise NotUnderstood(f"The body has no {exc.path!r:.80}.") from None


def _optional(text: Text | None, body: object) -> str | None:
    return None if text is None else _filled(text, body)


def _filled(text: Text, body: object) -> str:
    if isinstance(text, Choice):
        return text.table.get(Template(text.of).fill(body), text.default)
    return Template(text).fill(body)
