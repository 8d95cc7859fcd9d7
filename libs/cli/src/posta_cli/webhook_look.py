"""Asks Discord what a webhook's URL leads to, without posting anything."""

from dataclasses import dataclass

import httpx
from pydantic import SecretStr

from posta.version import service_version

TIMEOUT_S = 10.0
_OK = 200


class LookFailed(Exception):
    """The webhook is not there, or Discord cannot be asked; the message quotes nothing of the URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFound:
    """Where a webhook posts, as far as Discord says."""

    channel_id: str | None = None
    guild_id: str | None = None


async def look_at(url: SecretStr) -> WebhookFound:
    """The webhook of ``url``. Raises ``LookFailed``."""
    agent = f"DiscordBot (https://posta.example, {service_version()})"
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, headers={"user-agent": agent}) as client:
            answer = await client.get(url.get_secret_value())
        found = answer.json() if answer.status_code == _OK else None
    except (httpx.HTTPError, ValueError) as exc:
        raise LookFailed(f"Discord cannot be asked: {type(exc).__name__}") from None
    if not isinstance(found, dict):
        raise LookFailed(f"Discord does not know that webhook (HTTP {answer.status_code})")
    return WebhookFound(channel_id=found.get("channel_id"), guild_id=found.get("guild_id"))
