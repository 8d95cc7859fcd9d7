"""Puts an event into the mailbox that a bot polls, where its destination is one."""

from collections.abc import Collection, Iterable
from typing import Any, Protocol

from posta.domain.envelope import Event
from posta.domain.payloads import EventPublished
from posta.engine.message import Handler, Message, Publish
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)


class Mailbox(Protocol):
    """Where bots fetch from; ``posta.postgres.pull_mailbox.PullMailbox`` or a fake."""

    async def put(self, event: Event[EventPublished]) -> None:
        """Put it in, once. Raises ``Unavailable``."""


def into_mailboxes(handle: Handler, mailbox: Mailbox, *, destinations: Collection[str]) -> Handler:
    """``handle`` for all but the published events whose destination is one of these mailboxes."""

    async def handled(message: Message[Any]) -> Iterable[Publish] | None:
        event = message.event
        if not isinstance(event.data, EventPublished) or event.data.destination not in destinations:
            return await handle(message)
        await mailbox.put(event)
        names.DELIVERIES.labels("mailbox", "sent").inc()
        log.info("delivery_done", event_id=event.id, medium="mailbox", outcome="sent")
        return None

    return handled
