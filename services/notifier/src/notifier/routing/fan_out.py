"""Carries out what the routes decide: a copy for each destination, a wait, a digest, or nothing."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from notifier.routing.rules import Deliver, Digest, Drop, Hold, Routes, route
from posta import topics
from posta.domain.envelope import Event
from posta.domain.ids import derived_id
from posta.domain.payloads import EventPublished
from posta.engine.message import Publish
from posta.errors import NotNow
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)


class Collecting(Protocol):
    """Where events wait to be summed up; ``notifier.routing.digests.Digests`` or a fake."""

    async def add(self, event: Event[EventPublished], digest: Digest) -> None:
        """Keep it, once. Raises ``Unavailable``."""
        ...


class Routing:
    """Asks ``routes`` once for each event."""

    def __init__(self, routes: Routes, digests: Collecting, *, clock: Callable[[], float]) -> None:
        self.routes = routes
        self._digests = digests
        self._clock = clock

    async def outgoing(self, event: Event[EventPublished]) -> Sequence[Publish] | None:
        """What to publish instead of delivering the event; None: deliver it where it says.

        Raises ``NotNow`` in quiet hours, ``Unavailable`` when a digest cannot be kept.
        """
        if event.data.routed:
            return None
        now = self._clock()
        match route(self.routes, event.data, now=datetime.fromtimestamp(now, UTC)):
            case Deliver(destinations=(only,)) if only == event.data.destination:
                return None
            case Deliver(destinations=destinations):
                self._count("fan_out")
                return [
                    Publish(topic=topics.EVENTS_PUBLISHED, event=copy_for(event, one)) for one in destinations
                ]
            case Hold(until=until):
                self._count("hold")
                raise NotNow("quiet hours", wait_s=max(0.0, until.timestamp() - now))
            case Digest() as digest:
                self._count("digest")
                await self._digests.add(event, digest)
            case Drop():
                self._count("drop")
                log.info("event_dropped_by_route", event_id=event.id)
        return ()

    @staticmethod
    def _count(decision: str) -> None:
        names.EVENTS_ROUTED.labels(decision).inc()


def copy_for(event: Event[EventPublished], destination: str) -> Event[EventPublished]:
    """The event as it goes to one of several destinations: an event of its own, with its own fate."""
    data = event.data.model_copy(update={"destination": destination, "routed": True})
    return replace(event, id=derived_id(event.id, f"to-{destination}"), key=destination, data=data)
