"""Delivers a reply on Discord: the original response, "thinking…", becomes the answer."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from notifier.discord.age import made_at, token_ends_at
from notifier.discord.discord import Discord
from notifier.discord.endpoint import original_message
from notifier.ledger.ledger import Delivery
from notifier.ledger.once import Once
from notifier.refusals import ContentRefused
from notifier.rendering.clip import clip_content
from notifier.rendering.neutral import readable
from posta.domain.envelope import Event
from posta.domain.language import language_of
from posta.domain.payloads import DiscordTarget, ReplyReady
from posta.errors import Expired

_LOADING = 1 << 7
"""Message flag: the deferred response that nobody has answered yet."""


class Edits:
    """Edits original responses through ``discord``, each once."""

    def __init__(self, discord: Discord, once: Once, *, api_url: str, clock: Callable[[], float]) -> None:
        self._discord = discord
        self._once = once
        self._api_url = api_url
        self._clock = clock

    async def deliver(self, event: Event[ReplyReady], target: DiscordTarget) -> None:
        """Show the reply. Raises ``Expired`` for a token at its end, and what ``Discord.call`` raises."""
        self._check_token(event, target)
        body = edit_body(event.data)
        if not body["content"]:
            raise ContentRefused("the reply has no text that Discord would show")
        patch = original_message(self._api_url, target, "PATCH")
        self._discord.check_open(patch)

        async def send() -> str | None:
            if event.data.kind == "apology" and not await self._still_thinking(target):
                return None
            answer = await self._discord.call(patch, body, token_age_s=self._age_s(target))
            return answer.body.get("id") if isinstance(answer.body, dict) else None

        async def look() -> bool:
            shown = await self._original(target)
            return isinstance(shown.get("content"), str) and shown["content"].strip() == body["content"]

        await self._once.deliver(_delivery(event.id, body), send, look=look)

    async def _still_thinking(self, target: DiscordTarget) -> bool:
        """Whether nothing is shown yet: an apology must never take the place of an answer."""
        shown = await self._original(target)
        flags = shown.get("flags")
        is_loading = isinstance(flags, int) and bool(flags & _LOADING)
        return is_loading or not (shown.get("content") or shown.get("embeds"))

    async def _original(self, target: DiscordTarget) -> dict[str, Any]:
        get = original_message(self._api_url, target, "GET")
        answer = await self._discord.call(get, token_age_s=self._age_s(target))
        return answer.body if isinstance(answer.body, dict) else {}

    def _check_token(self, event: Event[ReplyReady], target: DiscordTarget) -> None:
        told = event.expires_at.timestamp() if event.expires_at is not None else None
        ends_at = told if told is not None else token_ends_at(target.interaction_id)
        if ends_at is not None and self._clock() >= ends_at:
            raise Expired("the interaction's token has ended: nothing was tried")

    def _age_s(self, target: DiscordTarget) -> float | None:
        made = made_at(target.interaction_id)
        return None if made is None else self._clock() - made


def edit_body(reply: ReplyReady) -> dict[str, Any]:
    """The JSON body that puts ``reply`` in the place of the original response; it mentions nobody."""
    return {
        "content": clip_content(readable(reply.text), language_of(reply.locale)),
        "embeds": [],
        "components": [],
        "allowed_mentions": {"parse": []},
    }


def _delivery(event_id: str, body: dict[str, Any]) -> Delivery:
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return Delivery(event_id=event_id, medium="discord", body_sha256=digest)
