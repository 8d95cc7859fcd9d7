"""Delivers a published event: an embed, posted through the webhook of its destination."""

import hashlib
import json
from collections.abc import Mapping

from pydantic import SecretStr

from notifier.discord.discord import Discord
from notifier.discord.endpoint import webhook_post
from notifier.ledger.ledger import Delivery
from notifier.ledger.once import Once
from notifier.rendering.embed import webhook_body
from posta.domain.envelope import Event
from posta.domain.payloads import EventPublished
from posta.errors import Permanent


class Posts:
    """Posts events through ``discord``; ``webhooks`` are the URLs by destination id."""

    def __init__(self, discord: Discord, once: Once, *, webhooks: Mapping[str, SecretStr]) -> None:
        self._discord = discord
        self._once = once
        self._endpoints = {name: webhook_post(url.get_secret_value()) for name, url in webhooks.items()}

    async def deliver(self, event: Event[EventPublished]) -> None:
        """Show the event. Raises ``Permanent`` for an unknown destination, else as ``Discord.call``."""
        endpoint = self._endpoints.get(event.data.destination)
        if endpoint is None:
            raise Permanent(
                f"destination {event.data.destination!r:.80} is not in destinations.yaml: add it and replay"
            )
        self._discord.check_open(endpoint)
        body = webhook_body(event.data)

        async def send() -> str | None:
            answer = await self._discord.call(endpoint, body)
            return answer.body.get("id") if isinstance(answer.body, dict) else None

        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        await self._once.deliver(
            Delivery(event_id=event.id, medium="webhook", body_sha256=digest),
            send,
        )
