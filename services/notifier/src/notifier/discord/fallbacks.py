"""Delivers answers the other way: by direct message, in the channel, or at a destination."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime

from notifier.discord.discord import Discord
from notifier.discord.fallback import fallback_message, next_fallback
from notifier.discord.places import ChannelPlace, PersonPlace, Place, Places
from notifier.ledger.ledger import Delivery
from notifier.ledger.once import Once
from notifier.routing.directory import Directory
from posta.domain.envelope import Event
from posta.domain.payloads import FallbackTarget, ReplyReady
from posta.errors import Permanent, Undeliverable


class Fallbacks:
    """The ways of ``routes``, in their order."""

    def __init__(
        self, discord: Discord, places: Places, once: Once, *, directory: Directory, routes: Sequence[str]
    ) -> None:
        self._discord = discord
        self._places = places
        self._once = once
        self._directory = directory
        self.routes = tuple(routes)

    def next_after(self, event: Event[ReplyReady], *, at: datetime) -> Event[ReplyReady] | None:
        """The event that takes the reply its next way; None when there is none left."""
        return next_fallback(event, self.routes, has_bot=self._discord.has_bot, at=at)

    async def deliver(self, event: Event[ReplyReady], target: FallbackTarget) -> None:
        """Show the reply. Raises ``Permanent`` without a place for it, else as ``Discord.call``."""
        place = await self._place(target)
        self._places.check_open(place)
        body, files = fallback_message(event, target)

        async def send() -> str | None:
            return await self._places.post(place, body, event_id=event.id, files=files)

        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        await self._once.deliver(Delivery(event_id=event.id, medium="discord", body_sha256=digest), send)

    async def _place(self, target: FallbackTarget) -> Place:
        match target.route:
            case "dm":
                return PersonPlace(user_id=target.place)
            case "channel":
                return ChannelPlace(channel_id=target.place)
            case "destination":
                known = await self._directory.find(target.place)
        if known is None:
            raise Permanent(f"destination {target.place!r:.80} of answers/fallback in routes.yaml is unknown")
        if known.disabled is not None:
            raise Undeliverable(f"destination {target.place!r:.80} is disabled: {known.disabled}")
        return known.place
