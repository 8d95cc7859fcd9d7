"""One event in, one delivery out: by the route its kind and target call for."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from notifier.apology import apology_for
from notifier.discord.answers import Answers, TooLate, expired
from notifier.discord.events import Events
from notifier.discord.fallbacks import Fallbacks
from notifier.mail.mails import Mails
from notifier.notice import disabled_notice
from notifier.pace import at_least, mail_retry_s, webhook_retry_s
from notifier.refusals import TargetGone
from notifier.routing.directory import Directory
from notifier.routing.fan_out import Routing
from posta import topics
from posta.domain.envelope import Event
from posta.domain.payloads import DiscordTarget, EmailTarget, EventPublished, FallbackTarget, ReplyReady
from posta.domain.retry import ErrorClass
from posta.engine.message import GivenUp, Message, Publish
from posta.errors import Permanent
from posta.telemetry import names


class Deliveries:
    """The handler of the group, and what it says when it gives up."""

    def __init__(
        self,
        *,
        answers: Answers,
        events: Events,
        mails: Mails,
        fallbacks: Fallbacks,
        routing: Routing,
        directory: Directory,
        clock: Callable[[], float],
    ) -> None:
        self._answers = answers
        self._events = events
        self._mails = mails
        self._fallbacks = fallbacks
        self._routing = routing
        self._directory = directory
        self._clock = clock

    async def handle(self, message: Message[Any]) -> Sequence[Publish]:
        """Deliver the event. Raises the failures of ``posta.errors`` that its route names."""
        if message.attempt > 1:
            names.LEGACY_RETRIES.inc()
        with names.LEGACY_WORKERS.track_inprogress():
            return await self._handle(message)

    async def _handle(self, message: Message[Any]) -> Sequence[Publish]:
        event = message.event
        match event.data:
            case EventPublished():
                return await self._event(event, message.attempt)
            case ReplyReady(target=DiscordTarget() as target):
                return await self._answer(event, target)
            case ReplyReady(target=FallbackTarget() as fallback):
                with at_least(webhook_retry_s(message.attempt)):
                    await self._fallbacks.deliver(event, fallback)
            case ReplyReady(target=EmailTarget() as mail):
                with at_least(mail_retry_s(message.attempt)):
                    await self._mails.deliver(event, mail)
            case _:
                raise Permanent(f"notifier does not deliver events of type {event.type}")
        return ()

    async def apologise(self, message: Message[Any], given_up: GivenUp) -> list[Publish]:
        """What to publish before ``message`` becomes a dead letter."""
        event = message.event
        match event.data:
            case EventPublished():
                await self._events.given_up(event)
                return await self._disable(event, event.data.destination, given_up.error)
            case ReplyReady(target=FallbackTarget() as target):
                notices = []
                if target.route == "destination":
                    notices = await self._disable(event, target.place, given_up.error)
                return [*notices, *self._next_way(event)]
            case ReplyReady(target=DiscordTarget()) if given_up.error_class is ErrorClass.EXPIRED:
                return self._next_way(event)
            case _:
                apology = apology_for(event, given_up, at=self._now())
                return [] if apology is None else [Publish(topic=topics.REPLIES_READY, event=apology)]

    async def _event(self, event: Event[EventPublished], attempt: int) -> Sequence[Publish]:
        outgoing = await self._routing.outgoing(event)
        if outgoing is None:
            with at_least(webhook_retry_s(attempt)):
                await self._events.deliver(event)
            return ()
        return outgoing

    async def _answer(self, event: Event[ReplyReady], target: DiscordTarget) -> Sequence[Publish]:
        try:
            await self._answers.deliver(event, target)
        except TooLate:
            other_way = self._next_way(event)
            if not other_way:
                raise expired() from None
            return other_way
        return ()

    def _next_way(self, event: Event[ReplyReady]) -> list[Publish]:
        if event.data.kind != "answer":
            return []
        other = self._fallbacks.next_after(event, at=self._now())
        target = None if other is None else other.data.target
        names.ANSWERS_REROUTED.labels(target.route if isinstance(target, FallbackTarget) else "none").inc()
        return [] if other is None else [Publish(topic=topics.REPLIES_READY, event=other)]

    async def _disable(self, event: Event[Any], destination_id: str, error: BaseException) -> list[Publish]:
        """A destination that is gone is tried no more, and its owner is told through another."""
        if not isinstance(error, TargetGone):
            return []
        is_new = await self._directory.disable(destination_id, why=str(error))
        owner = self._directory.owner_of(destination_id)
        if not is_new or owner is None:
            return []
        notice = disabled_notice(event.id, destination_id, owner=owner, why=str(error), at=self._now())
        return [Publish(topic=topics.EVENTS_PUBLISHED, event=notice)]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
