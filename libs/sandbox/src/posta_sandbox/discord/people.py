"""Who and where: the users, guilds and channels of the look-alike, as Discord would describe them."""

from dataclasses import dataclass
from typing import Any

from posta_sandbox.keys import named_snowflake

DEFAULT_GUILD = "Posta HQ"
DEFAULT_CHANNEL = "support"
OPS_CHANNEL = "ops"
DEFAULT_USER = "alex"
CHANNELS = ("general", DEFAULT_CHANNEL, OPS_CHANNEL)
"""The channels every guild starts with; others come into being when they are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person, or the application's own bot."""

    id: str
    username: str
    global_name: str | None
    locale: str = "en-US"
    bot: bool = False

    def payload(self) -> dict[str, Any]:
        """The user object of interactions and messages."""
        user: dict[str, Any] = {
            "avatar": None,
            "avatar_decoration_data": None,
            "clan": None,
            "collectibles": None,
            "discriminator": "0",
            "flags": 0,
            "global_name": self.global_name,
            "id": self.id,
            "primary_guild": None,
            "public_flags": 0,
            "username": self.username,
        }
        return user | {"bot": True} if self.bot else user


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A channel: one of a guild, or a direct message when guild_id is None."""

    channel_id: str
    channel: str
    guild_id: str | None
    guild: str | None


_KNOWN = {
    "alex": ("Alex", "en-US"),
    "sam": ("Sam", "en-GB"),
    "maría": ("María", "es-ES"),
    "kim": ("Kim", "en-US"),
}


def known_users() -> list[User]:
    """Return the people the page offers."""
    return [user(name) for name in _KNOWN]


def user(name: str) -> User:
    """Return the user of this name; the same name is always the same id."""
    shown, locale = _KNOWN.get(name.lower(), (name, "en-US"))
    username = name.lower().replace(" ", ".")
    return User(id=named_snowflake("user", username), username=username, global_name=shown, locale=locale)


def bot(application_id: str) -> User:
    """Return the application's bot user."""
    return User(id=application_id, username="posta", global_name=None, bot=True)


def guild_channel(guild: str, channel: str) -> Place:
    """Return a guild's channel; the same names are always the same ids."""
    return Place(
        channel_id=named_snowflake("channel", f"{guild}/{channel}"),
        channel=channel,
        guild_id=named_snowflake("guild", guild),
        guild=guild,
    )


def direct_message(person: User) -> Place:
    """Return a person's direct message channel with the bot."""
    return Place(
        channel_id=named_snowflake("dm", person.id),
        channel=f"@{person.username}",
        guild_id=None,
        guild=None,
    )
