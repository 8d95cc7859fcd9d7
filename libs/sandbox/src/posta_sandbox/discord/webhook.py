"""An incoming webhook of a channel. Pure."""

from dataclasses import dataclass
from typing import Any

from posta_sandbox.discord.people import Place


@dataclass(slots=True, kw_only=True)
class Webhook:
    """An incoming webhook of a channel."""

    id: str
    token: str
    name: str
    place: Place
    deleted: bool = False

    def response(self) -> dict[str, Any]:
        """The webhook object of Discord's API; it shows the token to whoever gave it."""
        return {
            "application_id": None,
            "avatar": None,
            "channel_id": self.place.channel_id,
            "guild_id": self.place.guild_id,
            "id": self.id,
            "name": self.name,
            "type": 1,
            "token": self.token,
        }
