"""Questions as llm-worker gets them, for tests: events from Discord and from mail, and as messages."""

from datetime import UTC, datetime, timedelta
from typing import Any

from posta.domain.envelope import Event
from posta.domain.failure import Delivery, Origin
from posta.domain.payloads import DiscordInteraction, EmailReceived, Person
from posta.engine.message import Message

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TOKEN = "a-secret-interaction-token"


def discord_question(
    number: int = 1,
    text: str = "Why is the sky blue?",
    *,
    locale: str = "en-US",
    key: str = "",
    asked_at: datetime = AT,
    life_s: float = 840,
) -> Event[DiscordInteraction]:
    """The ``number``-th question from Discord; each has a conversation of its own unless ``key`` is given."""
    return Event(
        id=f"discord:{number}",
        source="/ingress",
        time=asked_at,
        key=key or f"discord:g1:{number}",
        expires_at=asked_at + timedelta(seconds=life_s),
        data=DiscordInteraction(
            interaction_id=str(number),
            application_id="99",
            token=TOKEN,
            kind=2,
            command="ask",
            text=text,
            person=Person(id="7", name="Ana"),
            locale=locale,
        ),
    )


def email_question(number: int = 1, **fields: Any) -> Event[EmailReceived]:
    """The ``number``-th question by mail; ``fields`` replace those of the payload."""
    given: dict[str, Any] = {
        "account": "posta@example.test",
        "mailbox": "INBOX",
        "uidvalidity": 1,
        "uid": number,
        "message_id": f"<m{number}@example.test>",
        "sender": Person(id="ana@example.test", name="Ana"),
        "subject": "A question",
        "text": "Why is the sky blue?",
    }
    return Event(
        id=f"email:box:1:{number}",
        source="/email-poller",
        time=AT,
        key=f"email:thread:{number}",
        data=EmailReceived(**{**given, **fields}),
    )


def message_of(event: Event[Any], *, attempt: int = 1) -> Message[Any]:
    """The event as the engine hands it to a handler."""
    origin = Origin(topic="discord.interactions", partition=0, offset=0, timestamp_ms=0)
    return Message(
        event=event,
        delivery=Delivery(origin=origin, attempt=attempt),
        deadline=None if event.expires_at is None else event.expires_at.timestamp(),
        last_attempt=False,
    )
