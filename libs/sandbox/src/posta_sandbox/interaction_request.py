"""What a test or the page says when somebody is to use a command."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from posta_sandbox.discord import people
from posta_sandbox.discord.delivery import Tampering
from posta_sandbox.discord.interactions import COMMAND, TYPE_BY_NAME, Use
from posta_sandbox.discord.people import Place, User
from posta_sandbox.discord.resolved import Resolved
from posta_sandbox.problems import Problem

_COMMAND_TYPES = {"chat": 1, "user": 2, "message": 3}


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
    command_type: Literal["chat", "user", "message"] = "chat"
    target: str | None = None
    """Of a menu command: the message's id, or the person's name."""
    focused: str | None = None
    """Autocomplete: the option that is being typed."""
    signature: Literal["bad", "missing", "malformed"] | None = None
    timestamp_offset_s: int = 0
    payload: dict[str, Any] = {}
    raw_body: str | None = None
    repeat: int = Field(1, ge=1, le=100)

    def use(
        self, message: dict[str, Any] | None, targeted: dict[str, Any] | None, option_types: dict[str, int]
    ) -> Use:
        """Return who does what where; ``targeted`` is the message whose menu it was."""
        user = people.user(self.user)
        resolved = Resolved()
        return Use(
            type=self._type(),
            command=self.command,
            options=resolved.options(self.options, option_types),
            user=user,
            place=self._place(user),
            locale=self.locale or user.locale,
            user_install=self.user_install,
            custom_id=self.custom_id,
            values=tuple(self.values),
            message=message,
            command_type=_COMMAND_TYPES[self.command_type],
            target_id=self._target(targeted, resolved),
            resolved=resolved.found,
            option_types=option_types,
            focused=self.focused,
        )

    def _target(self, targeted: dict[str, Any] | None, resolved: Resolved) -> str | None:
        if self.command_type == "message" and targeted is not None:
            return resolved.message(targeted)
        if self.command_type == "user" and self.target:
            return resolved.person(self.target)
        return None

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
