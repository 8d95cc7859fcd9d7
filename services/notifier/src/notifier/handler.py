"""One event in, one delivery out: by the route its kind and target call for."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from notifier.apology import apology_for
from notifier.discord.edits import Edits
from notifier.discord.posts import Posts
from notifier.mail.mails import Mails
from notifier.pace import at_least, mail_retry_s, webhook_retry_s
from posta import topics
from posta.domain.payloads import DiscordTarget, EmailTarget, EventPublished, ReplyReady
from posta.engine.message import GivenUp, Message, Publish
from posta.errors import Permanent


class Deliveries:
    """The handler of the group, and what it says when it gives up."""

    def __init__(self, *, edits: Edits, posts: Posts, mails: Mails, clock: Callable[[], float]) -> None:
        self._edits = edits
        self._posts = posts
        self._mails = mails
        self._clock = clock

    async def handle(self, message: Message[Any]) -> None:
        """Deliver the event. Raises the failures of ``posta.errors`` that its route names."""
        event = message.event
        match event.data:
            case EventPublished():
                with at_least(webhook_retry_s(message.attempt)):
                    await self._posts.deliver(event)
            case ReplyReady(target=DiscordTarget() as target):
                await self._edits.deliver(event, target)
            case ReplyReady(target=EmailTarget() as target):
                with at_least(mail_retry_s(message.attempt)):
                    await self._mails.deliver(event, target)
            case _:
                raise Permanent(f"notifier does not deliver events of type {event.type}")

    async def apologise(self, message: Message[Any], given_up: GivenUp) -> list[Publish]:
        """What to publish before ``message`` becomes a dead letter."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        apology = apology_for(message.event, given_up, at=now)
        return [] if apology is None else [Publish(topic=topics.REPLIES_READY, event=apology)]
