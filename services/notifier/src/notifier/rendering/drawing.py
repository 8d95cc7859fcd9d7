"""Draws a published event: by the template of its type, or plainly when it has none or its own fails."""

from collections.abc import Mapping
from typing import Any

from jinja2 import TemplateError

from notifier.rendering.embed import COLOURS_BY_NAME, colour, embed, humanised, timestamp
from notifier.rendering.fit import fit, link_buttons
from notifier.rendering.templates import EmbedRule, MessageRule, Templates, Text
from posta.domain.ids import reference_number
from posta.domain.language import Language
from posta.domain.payloads import EventPublished
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
SILENT = 1 << 12
"""Message flag SUPPRESS_NOTIFICATIONS."""
_TIMES: dict[Language, str] = {"en": "{n} times", "es": "{n} veces"}


class Drawing:
    """Draws events with ``templates``."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates

    def message(
        self, event: EventPublished, *, event_id: str, language: Language = "en", repeats: int = 1
    ) -> dict[str, Any]:
        """The JSON body that shows ``event``; ``repeats`` above 1 says how often it happened."""
        found = self._templates.find(event.client_type)
        drawn = None
        if found is not None:
            name, rule = found
            try:
                drawn = _by_rule(rule, event, _context(event, event_id, language, repeats), language)
            except (
                TemplateError,
                TypeError,
                ValueError,
                ArithmeticError,
                LookupError,
                RecursionError,
            ) as exc:
                # The event matters more than its looks: it is shown plainly, and the operator told.
                names.TEMPLATE_FAILURES.labels(name).inc()
                log.error(
                    "template_failed", template=name, event_id=event_id, error=f"{type(exc).__name__}: {exc}"
                )
        if drawn is None or not (drawn.get("content") or drawn.get("embeds")):
            drawn = {"embeds": [embed(event)], "allowed_mentions": {"parse": []}}
        return fit(_counted(drawn, repeats, language))


def _context(event: EventPublished, event_id: str, language: Language, repeats: int) -> dict[str, Any]:
    return {
        "type": event.client_type,
        "title": humanised(event.client_type),
        "source": event.client_source,
        "subject": event.subject,
        "publisher": event.publisher,
        "occurred_at": event.occurred_at,
        "data": event.data,
        "language": language,
        "reference": reference_number(event_id),
        "repeats": repeats,
    }


def _by_rule(
    rule: MessageRule, event: EventPublished, context: Mapping[str, Any], language: Language
) -> dict[str, Any]:
    def text(template: Text | None) -> str:
        return "" if template is None else template.rendered(language, context).strip()

    drawn: dict[str, Any] = {
        "content": text(rule.content) or None,
        "embeds": [_embed(one, event, text) for one in rule.embeds],
        "allowed_mentions": rule.mentions.allowed(),
        "username": text(rule.username) or None,
        "avatar_url": text(rule.avatar_url) or None,
        "flags": SILENT if rule.silent else None,
    }
    buttons = link_buttons([(text(one.label), text(one.url)) for one in rule.buttons])
    if buttons:
        drawn["components"] = buttons
    return {name: value for name, value in drawn.items() if value is not None}


def _embed(rule: EmbedRule, event: EventPublished, text: Any) -> dict[str, Any]:
    fields = [{"name": text(f.name), "value": text(f.value), "inline": f.inline} for f in rule.fields]
    drawn: dict[str, Any] = {
        "title": text(rule.title),
        "description": text(rule.description),
        "url": text(rule.url),
        "color": _colour(text(rule.color), event),
        "fields": [field for field in fields if field["value"]],
        "footer": {"text": text(rule.footer)},
        "author": {"name": text(rule.author)},
    }
    moment = timestamp(event.occurred_at) if rule.timestamp else None
    return drawn if moment is None else drawn | {"timestamp": moment}


def _colour(wanted: str, event: EventPublished) -> int:
    if wanted in COLOURS_BY_NAME:
        return COLOURS_BY_NAME[wanted]
    if wanted.startswith("#") and len(wanted) == len("#rrggbb"):
        return int(wanted[1:], 16)
    return colour(event)


def _counted(drawn: dict[str, Any], repeats: int, language: Language) -> dict[str, Any]:
    """Say in front of the title, or of the text, how often it happened."""
    if repeats <= 1:
        return drawn
    mark = f"({_TIMES[language].format(n=repeats)}) "
    if drawn.get("embeds"):
        first, *others = drawn["embeds"]
        title = f"{mark}{first.get('title') or ''}"
        return {**drawn, "embeds": [{**first, "title": title}, *others]}
    return {**drawn, "content": f"{mark}{drawn.get('content') or ''}"}
