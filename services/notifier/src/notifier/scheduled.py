"""Hands a published event on when its time has come, unless it was cancelled before.

From the claim on an event cannot be cancelled; when the attempt is refused for now it can be again.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from notifier.refusals import OutcomeUnknown
from posta.domain.envelope import Event
from posta.domain.payloads import EventPublished
from posta.engine.message import Handler, Message, Publish
from posta.errors import Failure, NotNow, Unavailable
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)


class Claims(Protocol):
    """Who may send what; ``posta.postgres.published_events.PublishedEvents`` or a fake."""

    async def claim(self, event: Event[EventPublished]) -> bool:
        """Whether it may be sent. Raises ``Unavailable``."""
        ...

    async def release(self, event_id: str) -> None:
        """It was not sent. Raises ``Unavailable``."""
        ...

    async def settle(self, event_id: str, *, copies: int) -> None:
        """Nothing is left to do but what was published instead. Raises ``Unavailable``."""
        ...


def scheduled(handle: Handler, claims: Claims, *, clock: Callable[[], float]) -> Handler:
    """``handle``, with published events held back until their time and cancelled ones withheld.

    The result raises ``NotNow`` before an event's time, and what ``handle`` and ``claims`` raise.
    """

    async def handled(message: Message[Any]) -> Iterable[Publish] | None:
        event = message.event
        if not isinstance(event.data, EventPublished):
            return await handle(message)
        _check_time(event, clock())
        if not await claims.claim(event):
            names.SCHEDULED.labels("cancelled").inc()
            log.info("event_withheld", event_id=event.id, reason="cancelled")
            return None
        try:
            outgoing = list(await handle(message) or ())
        except OutcomeUnknown:
            raise
        except Failure:
            await _noted(claims.release(event.id), event.id)
            raise
        await _noted(claims.settle(event.id, copies=len(outgoing)), event.id)
        return outgoing

    return handled


def _check_time(event: Event[EventPublished], now: float) -> None:
    deliver_at = event.data.deliver_at
    if deliver_at is not None and (wait_s := deliver_at.timestamp() - now) > 0:
        names.SCHEDULED.labels("waiting").inc()
        raise NotNow("its time has not come", wait_s=wait_s)


async def _noted(noting: Awaitable[None], event_id: str) -> None:
    """Note how the attempt ended. What is delivered, or failed, is so whether or not it can be noted."""
    try:
        await noting
    except Unavailable as exc:
        log.warning("event_not_noted", event_id=event_id, reason=str(exc))
