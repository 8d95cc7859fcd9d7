"""What Discord sent, as far as Posta reads it; unknown fields are ignored, wrong ones named."""

from enum import IntEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, StringConstraints, ValidationError
from pydantic_core import from_json


class Kind(IntEnum):
    """Discord's interaction types (receiving and responding, "Interaction Type")."""

    PING = 1
    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class Unreadable(ValueError):
    """The body is no JSON object; the message says what to do."""


class UnknownKind(ValueError):
    """The interaction's type is none that Posta knows."""


class Misshapen(ValueError):
    """A field that Posta needs is missing or wrong; the message names it."""


Snowflake = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")]


def _without_nul(value: object) -> object:
    # PostgreSQL cannot store U+0000 in text, and nobody types it.
    return value.replace("\x00", "") if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_without_nul)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class User(_Part):
    """A Discord account."""

    id: Snowflake
    username: Text = ""
    global_name: Text | None = None


class Member(_Part):
    """A user within a guild."""

    user: User
    nick: Text | None = None


class Option(_Part):
    """One thing filled in; a sub-command holds its own options."""

    name: Text
    value: Text | int | float | bool | None = None
    options: tuple["Option", ...] = ()


class Data(_Part):
    """Which command was used, with which options."""

    name: Text = ""
    options: tuple[Option, ...] = ()


class Interaction(_Part):
    """One use of a command, button, menu or form."""

    id: Snowflake
    application_id: Snowflake
    type: Kind
    token: SecretStr
    data: Data = Data()
    member: Member | None = None
    user: User | None = None
    guild_id: Snowflake | None = None
    channel_id: Snowflake | None = None
    locale: Text | None = None
    guild_locale: Text | None = None

    @property
    def person(self) -> User | None:
        """Who used it: in a guild it is a member, in a direct message a user."""
        return self.member.user if self.member else self.user

    @property
    def display_name(self) -> str:
        """The name that others see there."""
        if self.member and self.member.nick:
            return self.member.nick
        return (self.person.global_name or self.person.username) if self.person else ""

    @property
    def language_tag(self) -> str:
        """The person's locale, else the guild's, else Discord's own default."""
        return self.locale or self.guild_locale or "en-US"

    @property
    def options(self) -> dict[str, Any]:
        """Every option filled in, by name; those of a sub-command too."""
        found: dict[str, Any] = {}
        waiting = list(self.data.options)
        while waiting:
            option = waiting.pop(0)
            waiting.extend(option.options)
            if option.value is not None:
                found[option.name] = option.value
        return found


def parse_body(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``. Raises ``Unreadable`` for anything else."""
    try:
        parsed = from_json(body)
    except ValueError:
        raise Unreadable("The body is not JSON.") from None
    if not isinstance(parsed, dict):
        raise Unreadable("The body is not a JSON object.")
    return parsed


def kind_of(body: dict[str, Any]) -> Kind:
    """The interaction's type, read before anything else because a PING has little more than it.

    Raises ``UnknownKind`` when it is missing, no integer, or new to Posta.
    """
    kind = body.get("type")
    try:
        return Kind(kind if type(kind) is int else 0)
    except ValueError:
        raise UnknownKind("The interaction's type is none of 1 to 5.") from None


def parse_interaction(body: dict[str, Any]) -> Interaction:
    """The interaction in ``body``. Raises ``Misshapen`` naming the first wrong field, never a value."""
    try:
        return Interaction.model_validate(body)
    except ValidationError as exc:
        error = exc.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in error["loc"])
        raise Misshapen(f"{where}: {error['type']}") from None
