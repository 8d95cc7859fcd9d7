"""Where on Discord a call goes: its URL, which is a secret, and the rate limit it counts against.

Pure. A webhook URL as Discord's own page shows it has no version and means the API of 2016, which
tells its waits in milliseconds (discord-api-docs #2360): it is rewritten to version 10.
"""

import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from notifier.limits.buckets import Target
from posta.domain.payloads import DiscordTarget

API_PATH = "/api/v10"
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


def original_message(api_url: str, target: DiscordTarget, method: str) -> Endpoint:
    """GET or PATCH of an interaction's original response."""
    token = target.token.get_secret_value()
    return Endpoint(
        method=method,
        url=f"{api_url}/webhooks/{target.application_id}/{token}/messages/@original",
        template="/webhooks/{application}/{token}/messages/@original",
        target=Target(f"{method} @original", _major(target.application_id, token)),
    )


def webhook_post(webhook_url: str) -> Endpoint:
    """POST to a webhook, waiting until the message is saved (without that, success means nothing)."""
    parts = urlsplit(webhook_url)
    found = _WEBHOOK_PATH.fullmatch(parts.path)
    if found is None:
        raise ValueError("no webhook URL")
    host, api = parts.netloc, found["api"]
    if _DISCORD_HOST.fullmatch(parts.hostname or ""):
        host = "discord.com"
    if host == "discord.com" or _UNVERSIONED.fullmatch(api):
        api = API_PATH
    return Endpoint(
        method="POST",
        url=f"{parts.scheme}://{host}{api}/webhooks/{found['id']}/{found['token']}?wait=true",
        template="/webhooks/{webhook}/{token}",
        target=Target("POST webhook", _major(found["id"], found["token"])),
    )


def _major(owner_id: str, token: str) -> str:
    """The major parameter, hashed: it keeps buckets apart and gives no secret away."""
    return hashlib.sha256(f"{owner_id}/{token}".encode()).hexdigest()[:24]
