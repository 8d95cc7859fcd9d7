"""events.md: the data of every event type, with an example, who writes it and who reads it."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from posta import topics
from posta.domain import ids, payloads
from posta.domain.payloads import PAYLOADS, Payload
from posta.topics import Topic
from posta_cli.reference.example import example
from posta_cli.reference.fields import fields
from posta_cli.reference.markdown import block, code, one_line, page, prose, table

TRAVELS_ON: dict[type[Payload], Topic] = {
    payloads.DiscordInteraction: topics.DISCORD_INTERACTIONS,
    payloads.EmailReceived: topics.EMAIL_RECEIVED,
    payloads.EventPublished: topics.EVENTS_PUBLISHED,
    payloads.ReplyReady: topics.REPLIES_READY,
}

_INTRODUCTION = """\
A record is a CloudEvents 1.0 event in Kafka's binary content mode: its attributes are
[headers](topics.md#record-headers), its data is the JSON value described here. Fields that a reader does not
know are dropped; a new meaning gets a new version of the type. A record of an unknown type, or one whose
value does not fit, becomes a dead letter at once.

A field of type *secret* is a credential: it is in the record, and nowhere else."""


def render() -> str:
    """Return the page. Raises KeyError for an event type that no topic is named for."""
    return page(
        "Events",
        _INTRODUCTION,
        "## Types",
        table(
            ("type", "topic", "written by", "read by"),
            (_summary(model, TRAVELS_ON[model]) for model in PAYLOADS.values()),
        ),
        *(part for model in PAYLOADS.values() for part in _type(model)),
        "## Ids",
        "The same cause always makes the same id, so that what is delivered twice can be recognised.",
        _ids(),
    )


def _summary(model: type[Payload], topic: Topic) -> tuple[str, ...]:
    return (
        f"[`{model.TYPE}`](#{_anchor(model.TYPE)})",
        code(topic.name),
        ", ".join(topic.written_by),
        ", ".join(topic.read_by),
    )


def _type(model: type[Payload]) -> Iterator[str]:
    yield f"## {model.TYPE}\n\n{prose(model.__doc__)}"
    yield fields(model)
    for nested in _nested(model):
        yield f"**{nested.__name__}**: {one_line(nested.__doc__)}"
        yield fields(nested)
    yield "An example:"
    yield block(example(model), "json")


def _nested(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for field in model.model_fields.values():
        for choice in _choices(field.annotation):
            if isinstance(choice, type) and issubclass(choice, BaseModel):
                yield choice


def _choices(annotation: Any) -> tuple[Any, ...]:
    return (annotation, *get_args(annotation))


def _ids() -> str:
    interaction = ids.interaction_event_id("1265000000000000002")
    mail = ids.email_event_id(account="posta@example.org", mailbox="INBOX", uidvalidity=1, uid=4711)
    published = ids.published_event_id(publisher="backup", key="nightly-2026-01-31")
    reply = ids.derived_id(interaction, "answer")
    rows = (
        ("a Discord interaction", "Discord's id of it", interaction),
        ("a mail", "account, mailbox, UIDVALIDITY and UID", mail),
        ("a published event", "the API key's name and the client's `Idempotency-Key` or id", published),
        ("what follows from an event", "that event's id and the step", reply),
    )
    return table(("event", "made from", "example"), ((what, source, code(one)) for what, source, one in rows))


def _anchor(heading: str) -> str:
    return heading.replace(".", "").lower()
