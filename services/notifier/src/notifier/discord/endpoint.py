"""Where on Discord a call goes: its URL, which may be a secret, and the limits it counts against.

Pure. A webhook URL as Discord's own page shows it has no version and means the API of 2016, which
tells its waits in milliseconds (discord-api-docs #2360): it is rewritten to version 10.
"""

import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from notifier.limits.buckets import Target
from posta.domain.payloads import DiscordTarget

API_PATH = "/api/v10"
ADDRESS, BOT = "address", "bot"
"""The global limits: of calls without Authorization, by address; and of a bot's calls."""
_WEBHOOK_PATH = re.compile(r"(?P<api>.*?)/webhooks/(?P<id>\d+)/(?P<token>[A-Za-z0-9_\-]+)/?")
_DISCORD_HOST = re.compile(r"(?:(?:ptb|canary)\.)?discord(?:app)?\.com")
_UNVERSIONED = re.compile(r"/api(?:/v\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method on one resource."""

    method: str
    url: str = field(repr=False)
    template: str
    """The URL's path without its secrets, for traces."""
    target: Target
    authorized: bool = False
    """Whether the bot's token goes with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An incoming webhook, as far as it is known."""

    base_url: str = field(repr=False)
    """``https://…/webhooks/<id>/<token>``."""
    id: str
    major: str
    channel_id: str | None = None
    guild_id: str | None = None
    thread_id: str | None = None

    def post(self, *, has_components: bool = False) -> Endpoint:
        """Execute it, waiting until the message is saved (without that, success means nothing)."""
        query = {"wait": "true"}
        if self.thread_id:
            query["thread_id"] = self.thread_id
        if has_components:
            query["with_components"] = "true"
        return self._endpoint("POST", "", "", query)

    def message(self, method: str, message_id: str) -> Endpoint:
        """GET, PATCH or DELETE one of its messages."""
        query = {"thread_id": self.thread_id} if self.thread_id else {}
        return self._endpoint(method, f"/messages/{message_id}", "/messages/{message}", query)

    def _endpoint(self, method: str, path: str, template: str, query: dict[str, str]) -> Endpoint:
        return Endpoint(
            method=method,
            url=f"{self.base_url}{path}" + (f"?{urlencode(query)}" if query else ""),
            template=f"/webhooks/{{webhook}}/{{token}}{template}",
            target=Target(
                f"{method} webhook{template}",
                self.major,
                channel=self.channel_id or "",
                guild=self.guild_id or "",
                scope=ADDRESS,
            ),
        )


def webhook_of(
    webhook_url: str,
    *,
    channel_id: str | None = None,
    guild_id: str | None = None,
    thread_id: str | None = None,
) -> Webhook:
    """The webhook of a URL. Raises ``ValueError`` for a URL of anything else."""
    parts = urlsplit(webhook_url)
    found = _WEBHOOK_PATH.fullmatch(parts.path)
    if found is None:
        raise ValueError("no webhook URL")
    host, api = parts.netloc, found["api"]
    if _DISCORD_HOST.fullmatch(parts.hostname or ""):
        host = "discord.com"
    if host == "discord.com" or _UNVERSIONED.fullmatch(api):
        api = API_PATH
    return Webhook(
        base_url=f"{parts.scheme}://{host}{api}/webhooks/{found['id']}/{found['token']}",
        id=found["id"],
        major=_major(found["id"], found["token"]),
        channel_id=channel_id,
        guild_id=guild_id,
        thread_id=thread_id,
    )


def original_message(api_url: str, target: DiscordTarget, method: str) -> Endpoint:
    """GET or PATCH of an interaction's original response."""
    token = target.token.get_secret_value()
    return Endpoint(
        method=method,
        url=f"{api_url}/webhooks/{target.application_id}/{token}/messages/@original",
        template="/webhooks/{application}/{token}/messages/@original",
        target=Target(f"{method} @original", _major(target.application_id, token)),
    )


def follow_up(api_url: str, target: DiscordTarget) -> Endpoint:
    """POST of one more message to an interaction."""
    token = target.token.get_secret_value()
    return Endpoint(
        method="POST",
        url=f"{api_url}/webhooks/{target.application_id}/{token}",
        template="/webhooks/{application}/{token}",
        target=Target("POST follow-up", _major(target.application_id, token)),
    )


def channel_messages(api_url: str, channel_id: str, method: str = "POST", *, after: str = "") -> Endpoint:
    """POST a message of the bot into a channel, or GET those after the message id ``after``."""
    query = f"?{urlencode({'after': after, 'limit': 100})}" if after else ""
    return Endpoint(
        method=method,
        url=f"{api_url}/channels/{channel_id}/messages{query}",
        template="/channels/{channel}/messages",
        target=Target(f"{method} channel messages", channel_id, channel=channel_id, scope=BOT),
        authorized=True,
    )


def channel_message(api_url: str, channel_id: str, message_id: str, method: str) -> Endpoint:
    """GET or PATCH one message of the bot."""
    return Endpoint(
        method=method,
        url=f"{api_url}/channels/{channel_id}/messages/{message_id}",
        template="/channels/{channel}/messages/{message}",
        target=Target(f"{method} channel message", channel_id, channel=channel_id, scope=BOT),
        authorized=True,
    )


def direct_channel(api_url: str) -> Endpoint:
    """POST that opens the direct message channel with a person; repeating it finds the same one."""
    return Endpoint(
        method="POST",
        url=f"{api_url}/users/@me/channels",
        template="/users/@me/channels",
        target=Target("POST direct channel", "", scope=BOT),
        authorized=True,
    )


def _major(owner_id: str, token: str) -> str:
    """The major parameter, hashed: it keeps buckets apart and gives no secret away."""
    return hashlib.sha256(f"{owner_id}/{token}".encode()).hexdigest()[:24]
