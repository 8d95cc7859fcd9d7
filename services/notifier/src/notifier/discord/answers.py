"""Delivers a reply on Discord: "thinking…" becomes the answer, and what is longer follows it.

The first part is an edit, which is safe to repeat. Each further part is a message of its own in the
ledger; the last one carries what did not fit into so many messages as a file.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from notifier.discord.age import made_at, snowflake_at, token_ends_at
from notifier.discord.discord import Discord, File
from notifier.discord.endpoint import channel_messages, follow_up, original_message
from notifier.discord.places import CLOCKS_DIFFER_S, shows
from notifier.ledger.ledger import Delivery
from notifier.ledger.once import Look, Once
from notifier.refusals import ContentRefused
from notifier.rendering.clip import CONTENT_LIMIT
from notifier.rendering.neutral import readable
from notifier.rendering.split import Split, split_answer
from posta.domain.envelope import Event
from posta.domain.ids import derived_id
from posta.domain.language import language_of
from posta.domain.payloads import DiscordTarget, ReplyReady
from posta.errors import Expired

LOADING = 1 << 7
"""Message flag: the deferred response that nobody has answered yet."""
EPHEMERAL = 1 << 6
LAST_CALL_S = 5.0
"""Less of its token's life left is too late for a call: it would arrive with a dead token."""
FILE_NAME = {"en": "answer.md", "es": "respuesta.md"}


@dataclass(frozen=True, slots=True)
class TooLate(Exception):
    """The interaction's token will not live long enough."""

    ends_at: float


class Answers:
    """Answers interactions through ``discord``, each part once."""

    def __init__(
        self,
        discord: Discord,
        once: Once,
        *,
        api_url: str,
        clock: Callable[[], float],
        most_parts: int = 5,
    ) -> None:
        self._discord = discord
        self._once = once
        self._api_url = api_url
        self._clock = clock
        self._most_parts = most_parts

    async def deliver(self, event: Event[ReplyReady], target: DiscordTarget) -> None:
        """Show the reply. Raises ``TooLate`` for a token near its end, and what ``Discord.call`` raises."""
        split = split_reply(event.data, self._most_parts)
        patch = original_message(self._api_url, target, "PATCH")
        self._check_token(event, target, wait_s=self._discord.wait_s(patch))
        self._discord.check_open(patch)
        is_ephemeral = await self._edit(event, target, split) or target.ephemeral
        for number, text in enumerate(split.parts[1:], 2):
            self._check_token(event, target, wait_s=0.0)
            rest = split.rest if number == len(split.parts) else None
            await self._follow_up(event, target, number, text, rest, is_ephemeral=is_ephemeral)

    async def _edit(self, event: Event[ReplyReady], target: DiscordTarget, split: Split) -> bool:
        """Edit the original; returns whether it is ephemeral, as far as Discord said so."""
        body = edit_body(split.parts[0])
        files = _files(event, split.rest) if len(split.parts) == 1 else ()
        seen: dict[str, Any] = {}

        async def send() -> str | None:
            if event.data.kind == "apology" and not await self._still_thinking(target):
                return None
            endpoint = original_message(self._api_url, target, "PATCH")
            answer = await self._discord.call(endpoint, body, files=files, token_age_s=self._age_s(target))
            seen.update(answer.body if isinstance(answer.body, dict) else {})
            return seen.get("id")

        async def look() -> bool:
            seen.update(await self._original(target))
            return isinstance(seen.get("content"), str) and seen["content"].strip() == body["content"]

        await self._once.deliver(_delivery(event.id, body), send, look=look)
        if len(split.parts) > 1 and not seen:
            seen.update(await self._original(target))
        return bool(int(seen.get("flags") or 0) & EPHEMERAL)

    async def _follow_up(
        self,
        event: Event[ReplyReady],
        target: DiscordTarget,
        number: int,
        text: str,
        rest: str | None,
        *,
        is_ephemeral: bool,
    ) -> None:
        body: dict[str, Any] = {"content": text, "allowed_mentions": {"parse": []}}
        if is_ephemeral:
            body["flags"] = EPHEMERAL

        async def send() -> str | None:
            endpoint = follow_up(self._api_url, target)
            answer = await self._discord.call(
                endpoint, body, files=_files(event, rest), token_age_s=self._age_s(target)
            )
            return answer.body.get("id") if isinstance(answer.body, dict) else None

        part_id = derived_id(event.id, f"part-{number}")
        look = None if is_ephemeral else self._look_for(event, target, body)
        await self._once.deliver(_delivery(part_id, body), send, look=look)

    def _look_for(self, event: Event[ReplyReady], target: DiscordTarget, body: dict[str, Any]) -> Look | None:
        """How to find a follow-up whose answer was lost: among the channel's messages, with a bot."""
        channel_id = target.channel_id
        if not self._discord.has_bot or channel_id is None or target.guild_id is None:
            return None

        async def look() -> bool:
            after = snowflake_at(event.time.timestamp() - CLOCKS_DIFFER_S)
            answer = await self._discord.call(channel_messages(self._api_url, channel_id, "GET", after=after))
            listed = answer.body if isinstance(answer.body, list) else []
            return any(
                (m.get("interaction_metadata") or {}).get("id") == target.interaction_id and shows(m, body)
                for m in listed
            )

        return look

    async def _still_thinking(self, target: DiscordTarget) -> bool:
        """Whether nothing is shown yet: an apology must never take the place of an answer."""
        shown = await self._original(target)
        flags = shown.get("flags")
        is_loading = isinstance(flags, int) and bool(flags & LOADING)
        return is_loading or not (shown.get("content") or shown.get("embeds"))

    async def _original(self, target: DiscordTarget) -> dict[str, Any]:
        get = original_message(self._api_url, target, "GET")
        answer = await self._discord.call(get, token_age_s=self._age_s(target))
        return answer.body if isinstance(answer.body, dict) else {}

    def _check_token(self, event: Event[ReplyReady], target: DiscordTarget, *, wait_s: float) -> None:
        told = event.expires_at.timestamp() if event.expires_at is not None else None
        ends_at = told if told is not None else token_ends_at(target.interaction_id)
        if ends_at is not None and self._clock() + max(wait_s, 0.0) >= ends_at - LAST_CALL_S:
            raise TooLate(ends_at)

    def _age_s(self, target: DiscordTarget) -> float | None:
        made = made_at(target.interaction_id)
        return None if made is None else self._clock() - made


def split_reply(reply: ReplyReady, most_parts: int, *, limit: int = CONTENT_LIMIT) -> Split:
    """The reply as messages. Raises ``ContentRefused`` when there is nothing that Discord would show."""
    text, language = readable(reply.text).strip(), language_of(reply.locale)
    split = split_answer(text, language, limit=limit, most=most_parts)
    if not split.parts:
        raise ContentRefused("the reply has no text that Discord would show")
    return split


def edit_body(content: str) -> dict[str, Any]:
    """The JSON body that puts ``content`` in the place of the original response; it mentions nobody."""
    return {"content": content, "embeds": [], "components": [], "allowed_mentions": {"parse": []}}


def expired() -> Expired:
    """What a reply dies of when its token has ended and it can go no other way."""
    return Expired("the interaction's token has ended: nothing was tried")


def _files(event: Event[ReplyReady], rest: str | None) -> tuple[File, ...]:
    if rest is None:
        return ()
    return (File(name=FILE_NAME[language_of(event.data.locale)], content=rest.encode()),)


def _delivery(delivery_id: str, body: dict[str, Any]) -> Delivery:
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return Delivery(event_id=delivery_id, medium="discord", body_sha256=digest)
