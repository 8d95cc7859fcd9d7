"""What Discord sent, as far as Posta reads it; unknown fields are ignored, wrong ones named."""

from enum import IntEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, StringConstraints, ValidationError
from pydantic import Field as Made
from pydantic_core import from_json


class Kind(IntEnum):
    """Discord's interaction types (receiving and responding, "Interaction Type")."""

    PING = 1
    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


KINDS = frozenset(Kind)


class Unreadable(ValueError):
    """The body is no JSON object; the message says what to do."""


class NoKind(ValueError):
    """The interaction has no type, or one that is no number."""


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
    roles: tuple[str, ...] = ()


class Option(_Part):
    """One thing filled in; a sub-command holds its own options."""

    name: Text
    type: int = 0
    value: Annotated[Any, BeforeValidator(_without_nul)] = None
    """Of any JSON type, so that a new kind of option is carried."""
    options: tuple["Option", ...] = ()
    focused: bool = False
    """Whether the person is typing it now (autocomplete)."""


class Field(_Part):
    """A part of a form as it is sent: an input, or what holds one."""

    custom_id: Text = ""
    value: Annotated[Any, BeforeValidator(_without_nul)] = None
    values: tuple[Text, ...] = ()
    component: "Field | None" = None
    components: tuple["Field", ...] = ()


ById = dict[str, dict[str, Any]]


class Resolved(_Part):
    """The people, channels, roles, messages and files that the options name, by id."""

    users: ById = Made(default_factory=dict)
    members: ById = Made(default_factory=dict)
    roles: ById = Made(default_factory=dict)
    channels: ById = Made(default_factory=dict)
    messages: ById = Made(default_factory=dict)
    attachments: ById = Made(default_factory=dict)


_NOTHING_RESOLVED = Resolved()


class Data(_Part):
    """What was used, with what was filled in."""

    name: Text = ""
    type: int = 1
    options: tuple[Option, ...] = ()
    resolved: Resolved = Made(default_factory=lambda: _NOTHING_RESOLVED)
    target_id: str | None = None
    custom_id: Text = ""
    values: tuple[Text, ...] = ()
    components: tuple[Field, ...] = ()


_NO_DATA = Data()


class Pressed(_Part):
    """The message whose button or menu was used."""

    id: Snowflake
    content: Text = ""


class Interaction(_Part):
    """One use of a command, button, menu or form."""

    id: Snowflake
    application_id: Snowflake
    type: int
    token: SecretStr
    data: Data = Made(default_factory=lambda: _NO_DATA)
    message: Pressed | None = None
    """Of a component, or of a form that one opened."""
    member: Member | None = None
    user: User | None = None
    guild_id: Snowflake | None = None
    channel_id: Snowflake | None = None
    locale: Text | None = None
    guild_locale: Text | None = None
    raw_data: dict[str, Any] = Made(default_factory=dict)
    """``data`` as it came, with what this version does not know."""

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
    def path(self) -> tuple[str, ...]:
        """The sub-command's name behind its group's, if there is one."""
        found = []
        options = self.data.options
        while len(options) == 1 and options[0].type in _SUBCOMMANDS:
            found.append(options[0].name)
            options = options[0].options
        return tuple(found)

    @property
    def filled(self) -> tuple[Option, ...]:
        """The options filled in, those of the sub-command if there is one."""
        options = self.data.options
        while len(options) == 1 and options[0].type in _SUBCOMMANDS:
            options = options[0].options
        return options


_SUBCOMMANDS = (1, 2)


def parse_body(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``. Raises ``Unreadable`` for anything else."""
    try:
        parsed = from_json(body)
    except ValueError:
        raise Unreadable("The body is not JSON.") from None
    if not isinstance(parsed, dict):
        raise Unreadable("The body is not a JSON object.")
    return parsed


def kind_of(body: dict[str, Any]) -> int:
    """The interaction's type, read before anything else because a PING has little more than it.

    It may be none of ``Kind``. Raises ``NoKind`` when it is missing or no integer.
    """
    kind = body.get("type")
    if type(kind) is not int:
        raise NoKind("The interaction's type is missing, or no integer.")
    return kind


def parse_interaction(body: dict[str, Any]) -> Interaction:
    """The interaction in ``body``. Raises ``Misshapen`` naming the first wrong field, never a value."""
    raw = body.get("data")
    try:
        return Interaction.model_validate({**body, "raw_data": raw if isinstance(raw, dict) else {}})
    except ValidationError as exc:
        error = exc.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in error["loc"])
        raise Misshapen(f"{where}: {error['type']}") from None
