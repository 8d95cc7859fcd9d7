"""Where messages that no interaction asked for go: webhooks, channels and people; how each is called.

A place posts, edits, and can be looked at where Discord allows it: a webhook's own messages cannot
be listed without a bot, so without the bot's token an unknown outcome stays unknown.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from notifier.discord.age import snowflake_at
from notifier.discord.discord import Discord, File
from notifier.discord.endpoint import (
    Endpoint,
    Webhook,
    channel_message,
    channel_messages,
    direct_channel,
)

NOT_IN_EDITS = ("username", "avatar_url", "thread_name", "tts", "nonce", "enforce_nonce", "flags")
CLOCKS_DIFFER_S = 5.0
"""A message may seem to be made so much before it was sent."""
_NONCE_CHARS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPlace:
    """A channel (or thread), through its webhook."""

    webhook: Webhook
    username: str | None = None
    avatar_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPlace:
    """A channel, through the bot."""

    channel_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonPlace:
    """A person's direct messages with the bot."""

    user_id: str


Place = WebhookPlace | ChannelPlace | PersonPlace


class Places:
    """Calls Discord for every kind of place."""

    def __init__(self, discord: Discord, *, api_url: str) -> None:
        self._discord = discord
        self._api_url = api_url
        self._direct: dict[str, str] = {}

    def check_open(self, place: Place) -> None:
        """Raise ``NotNow`` when nothing could be posted there now."""
        self._discord.check_open(self._post_endpoint(place, {}))

    async def post(
        self, place: Place, body: Mapping[str, Any], *, event_id: str, files: Sequence[File] = ()
    ) -> str | None:
        """Post a message and return its id. Raises what ``Discord.call`` raises."""
        if isinstance(place, PersonPlace):
            place = ChannelPlace(channel_id=await self._direct_channel(place.user_id))
        sent = self._dressed(place, body, event_id)
        answer = await self._discord.call(self._post_endpoint(place, body), sent, files=files)
        return answer.body.get("id") if isinstance(answer.body, dict) else None

    async def edit(self, place: Place, message_id: str, body: Mapping[str, Any]) -> None:
        """Put ``body`` in the place of a message. Raises what ``Discord.call`` raises."""
        cleared = {"content": "", "embeds": [], "components": []}
        kept = {name: value for name, value in body.items() if name not in NOT_IN_EDITS}
        if isinstance(place, PersonPlace):
            place = ChannelPlace(channel_id=await self._direct_channel(place.user_id))
        endpoint = (
            place.webhook.message("PATCH", message_id)
            if isinstance(place, WebhookPlace)
            else channel_message(self._api_url, place.channel_id, message_id, "PATCH")
        )
        await self._discord.call(endpoint, {**cleared, **kept})

    def can_look(self, place: Place) -> bool:
        """Whether a message that may have been posted can be found."""
        channel = place.webhook.channel_id if isinstance(place, WebhookPlace) else None
        return self._discord.has_bot and channel is not None

    async def find(self, place: Place, body: Mapping[str, Any], *, since: float) -> list[str]:
        """Ids of the webhook's messages since then that show just what ``body`` shows, oldest first."""
        if not isinstance(place, WebhookPlace) or place.webhook.channel_id is None:
            return []
        channel = place.webhook.thread_id or place.webhook.channel_id
        after = snowflake_at(since - CLOCKS_DIFFER_S)
        answer = await self._discord.call(channel_messages(self._api_url, channel, "GET", after=after))
        shown = answer.body if isinstance(answer.body, list) else []
        found = [m["id"] for m in shown if m.get("webhook_id") == place.webhook.id and shows(m, body)]
        return sorted(found, key=int)

    def _post_endpoint(self, place: Place, body: Mapping[str, Any]) -> Endpoint:
        match place:
            case WebhookPlace(webhook=webhook):
                return webhook.post(has_components=bool(body.get("components")))
            case ChannelPlace(channel_id=channel_id):
                return channel_messages(self._api_url, channel_id)
            case PersonPlace(user_id=user_id):
                known = self._direct.get(user_id)
                return channel_messages(self._api_url, known) if known else direct_channel(self._api_url)

    def _dressed(self, place: Place, body: Mapping[str, Any], event_id: str) -> dict[str, Any]:
        if isinstance(place, WebhookPlace):
            own = {"username": place.username, "avatar_url": place.avatar_url}
            return {**{name: value for name, value in own.items() if value}, **body}
        only_webhooks = {"username", "avatar_url", "thread_name"}
        kept = {name: value for name, value in body.items() if name not in only_webhooks}
        # Within some minutes Discord answers a repeated nonce with the message it made the first time.
        return {**kept, "nonce": nonce_of(event_id), "enforce_nonce": True}

    async def _direct_channel(self, user_id: str) -> str:
        if user_id not in self._direct:
            answer = await self._discord.call(direct_channel(self._api_url), {"recipient_id": user_id})
            self._direct[user_id] = str(answer.body["id"])
        return self._direct[user_id]


def nonce_of(event_id: str) -> str:
    """A message's nonce: the same for every attempt of one event."""
    return hashlib.sha256(event_id.encode()).hexdigest()[:_NONCE_CHARS]


def shows(message: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether a message that Discord lists shows what ``body`` was to show, and shows anything at all."""
    texts = _texts(body)
    return any(texts) and texts == _texts(message)


def _texts(shown: Mapping[str, Any]) -> tuple[str, ...]:
    texts = [str(shown.get("content") or "").strip()]
    for embed in shown.get("embeds") or ():
        texts += [str(embed.get(name) or "").strip() for name in ("title", "description")]
        for one in embed.get("fields") or ():
            texts += [str(one.get("name") or "").strip(), str(one.get("value") or "").strip()]
    return tuple(texts)
