"""Deliveries as notifier gets them, for tests: replies for Discord and mail, events, and as messages."""

from datetime import UTC, datetime, timedelta
from typing import Any

from posta.domain.envelope import Event
from posta.domain.failure import Delivery, Origin
from posta.domain.payloads import DiscordTarget, EmailTarget, EventPublished, ReplyReady
from posta.engine.message import Message

DISCORD_EPOCH_MS = 1_420_070_400_000
APPLICATION = "1380486651436073092"


def snowflake(at: datetime, number: int = 0) -> str:
    """The id of an interaction made at ``at``; ``number`` tells those of one millisecond apart."""
    return str(((int(at.timestamp() * 1000) - DISCORD_EPOCH_MS) << 22) + number)


def discord_reply(
    number: int = 1,
    text: str = "Because it scatters.",
    *,
    at: datetime | None = None,
    token: str = "",
    key: str = "",
    **fields: Any,
) -> Event[ReplyReady]:
    """The answer to the ``number``-th question; asked at ``at`` (now, unless given), good for 14 minutes."""
    at = at or datetime.now(UTC)
    interaction = snowflake(at, number)
    target = DiscordTarget(
        interaction_id=interaction, application_id=APPLICATION, token=token or f"a-secret-token-{number}"
    )
    return Event(
        id=f"discord:{interaction}/answer",
        source="/llm-worker",
        time=at,
        key=key or f"discord:g1:{number}",
        expires_at=at + timedelta(minutes=14),
        data=ReplyReady(
            **{
                "question_id": f"discord:{interaction}",
                "kind": "answer",
                "target": target,
                "text": text,
                "locale": "en-US",
                **fields,
            }
        ),
    )


def email_reply(
    number: int = 1,
    text: str = "Because it scatters.\n",
    *,
    at: datetime | None = None,
    kind: str = "answer",
    locale: str = "en",
    **target: Any,
) -> Event[ReplyReady]:
    """The answer to the ``number``-th mail; ``target`` replaces fields of where it goes."""
    given = {
        "account": "posta@example.test",
        "to": "customer@example.test",
        "to_name": "Ana",
        "subject": "A question",
        "in_reply_to": f"<m{number}@example.test>",
        "references": (),
    }
    return Event(
        id=f"email:box:1:{number}/answer",
        source="/llm-worker",
        time=at or datetime.now(UTC),
        key=f"email:thread:{number}",
        data=ReplyReady(
            question_id=f"email:box:1:{number}",
            kind=kind,
            target=EmailTarget(**{**given, **target}),
            text=text,
            locale=locale,
        ),
    )


def published(number: int = 1, *, destination: str = "ops", **fields: Any) -> Event[EventPublished]:
    """The ``number``-th event of a script; ``fields`` replace those of the payload."""
    given: dict[str, Any] = {
        "destination": destination,
        "publisher": "backups",
        "client_id": str(number),
        "client_type": "backup.failed",
        "client_source": "/backup/db1",
        "occurred_at": "2026-01-02T03:04:05Z",
        "data": {"message": f"Backup {number} failed.", "n": number},
    }
    return Event(
        id=f"event:{number}",
        source="/ingress",
        time=datetime.now(UTC),
        key=destination,
        data=EventPublished(**{**given, **fields}),
    )


def delivery_message(event: Event[Any], *, attempt: int = 1) -> Message[Any]:
    """The event as the engine hands it to the notifier."""
    origin = Origin(topic="replies.ready", partition=0, offset=0, timestamp_ms=0)
    return Message(
        event=event,
        delivery=Delivery(origin=origin, attempt=attempt),
        deadline=None if event.expires_at is None else event.expires_at.timestamp(),
        last_attempt=False,
    )
