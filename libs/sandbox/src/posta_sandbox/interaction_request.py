"""What a test or the page says when somebody is to use a command."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from posta_sandbox.discord import people
from posta_sandbox.discord.delivery import Tampering
from posta_sandbox.discord.interactions import COMMAND, TYPE_BY_NAME, Use
from posta_sandbox.discord.people import Place, User
from posta_sandbox.problems import Problem


class InteractionRequest(BaseModel):
    """One use of a command, with what a test may change in the genuine request."""

    model_config = ConfigDict(extra="forbid")

    command: str = "ask"
    options: dict[str, Any] = {}
    user: str = Field(people.DEFAULT_USER, min_length=1, max_length=80)
    guild: str | None = people.DEFAULT_GUILD
    """Name of the guild; null is a direct message with the bot."""
    channel: str | None = Field(None, min_length=1, max_length=100)
    locale: str | None = None
    """The person's language; the user's own unless given."""
    user_install: bool = False
    type: int | str = COMMAND
    custom_id: str = ""
    values: list[str] = []
    message_id: str | None = None
    """For a component: the message it is on."""
    signature: Literal["bad", "missing", "malformed"] | None = None
    timestamp_offset_s: int = 0
    payload: dict[str, Any] = {}
    raw_body: str | None = None
    repeat: int = Field(1, ge=1, le=100)

    def use(self, message: dict[str, Any] | None) -> Use:
        """Return who does what where."""
        user = people.user(self.user)
        return Use(
            type=self._type(),
            command=self.command,
            options=self.options,
            user=user,
            place=self._place(user),
            locale=self.locale or user.locale,
            user_install=self.user_install,
            custom_id=self.custom_id,
            values=tuple(self.values),
            message=message,
        )

    def _type(self) -> int:
        if isinstance(self.type, int):
            return self.type
        if self.type not in TYPE_BY_NAME:
            names = ", ".join(TYPE_BY_NAME)
            raise Problem(422, "Unknown interaction type", f"type must be a number or: {names}")
        return TYPE_BY_NAME[self.type]

    def _place(self, user: User) -> Place:
        if self.guild is None:
            return people.direct_message(user)
        return people.guild_channel(self.guild, self.channel or people.DEFAULT_CHANNEL)

    def tampering(self) -> Tampering:
        """Return what is changed in the genuine request."""
        return Tampering(
            signature=self.signature,
            timestamp_offset_s=self.timestamp_offset_s,
            payload=self.payload,
            raw_body=self.raw_body,
            repeat=self.repeat,
        )
