"""Delivers a published event at its destination: a message of its own, or an edit of one that stands."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Protocol

from notifier.discord.places import Places
from notifier.ledger.ledger import Delivery
from notifier.ledger.once import Look, Once
from notifier.ledger.standing import Part, Standing, StandingMessages, kind_of
from notifier.refusals import TargetGone
from notifier.rendering.drawing import Drawing
from notifier.routing.directory import Directory, Known
from posta.domain.envelope import Event
from posta.domain.payloads import EventPublished
from posta.errors import NotNow, Permanent, Undeliverable
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
UNKNOWN_MESSAGE = 10008
FIRST_IS_ON_ITS_WAY_S = 1.0


class KnownIds(Protocol):
    """Which Discord messages are known to be somebody's delivery."""

    async def known(self, message_ids: Sequence[str]) -> frozenset[str]:
        """Those of ``message_ids`` that a delivery has noted as its own."""
        ...


class Events:
    """Shows events at the destinations of ``directory``, each once."""

    def __init__(
        self,
        places: Places,
        once: Once,
        *,
        directory: Directory,
        drawing: Drawing,
        standing: StandingMessages,
        ledger: KnownIds,
        window_s: float,
    ) -> None:
        self._places = places
        self._once = once
        self._directory = directory
        self._drawing = drawing
        self._standing = standing
        self._ledger = ledger
        self.window_s = window_s

    async def deliver(self, event: Event[EventPublished]) -> None:
        """Show the event. Raises ``Permanent`` for an unknown destination, else as ``Discord.call``."""
        known = await self._destination(event.data.destination)
        self._places.check_open(known.place)
        if kind_of(event.data) is None:
            await self._post(event, known, repeats=1)
            return
        standing = await self._standing.join(event, window_s=self.window_s)
        match standing.part:
            case Part.FIRST:
                await self._post(event, known, repeats=standing.repeats)
                await self._standing.posted(event)
            case Part.EDITS:
                await self._edit(event, known, standing)
            case Part.WAITS:
                raise NotNow("the message it belongs to is still being made", wait_s=FIRST_IS_ON_ITS_WAY_S)
            case Part.SUPERSEDED:
                log.info("event_superseded", event_id=event.id)

    async def given_up(self, event: Event[EventPublished]) -> None:
        """The event becomes a dead letter: no other may wait for its message."""
        await self._standing.gone(event)

    async def _destination(self, destination_id: str) -> Known:
        known = await self._directory.find(destination_id)
        if known is None:
            raise Permanent(
                f"destination {destination_id!r:.80} is not in destinations.yaml, nor registered with"
                " `posta destinations`: add it and replay"
            )
        if known.disabled is not None:
            raise Undeliverable(
                f"destination {destination_id!r:.80} is disabled: {known.disabled};"
                f" mend it, `posta destinations enable {destination_id}`, and replay"
            )
        return known

    async def _post(self, event: Event[EventPublished], known: Known, *, repeats: int) -> None:
        body = self._body(event, known, repeats)

        async def send() -> str | None:
            return await self._places.post(known.place, body, event_id=event.id)

        await self._once.deliver(_delivery(event.id, body), send, look=self._look(event, known, body))

    def _look(self, event: Event[EventPublished], known: Known, body: dict[str, Any]) -> Look | None:
        if not self._places.can_look(known.place):
            return None

        async def look() -> bool:
            found = await self._places.find(known.place, body, since=event.time.timestamp())
            return bool(set(found) - await self._ledger.known(found))

        return look

    async def _edit(self, event: Event[EventPublished], known: Known, standing: Standing) -> None:
        body = self._body(event, known, standing.repeats)
        message_id = standing.message_id or ""

        async def send() -> str | None:
            await self._places.edit(known.place, message_id, body)
            return message_id

        try:
            await self._once.deliver(_delivery(event.id, body), send)
        except TargetGone as exc:
            if exc.code != UNKNOWN_MESSAGE:
                raise
            # Somebody deleted the message: the event makes it anew.
            await self._standing.gone(event)
            raise NotNow("its message was deleted: it will be made anew", wait_s=0.0) from exc

    def _body(self, event: Event[EventPublished], known: Known, repeats: int) -> dict[str, Any]:
        return self._drawing.message(event.data, event_id=event.id, language=known.language, repeats=repeats)


def _delivery(event_id: str, body: dict[str, Any]) -> Delivery:
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return Delivery(event_id=event_id, medium="webhook", body_sha256=digest)
