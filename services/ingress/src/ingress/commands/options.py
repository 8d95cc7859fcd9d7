"""What a person can fill in at a slash command: the options, their choices and suggestions."""

from enum import IntEnum
from typing import Annotated, Literal, Self

from pydantic import Field, HttpUrl, model_validator

from ingress.commands.wording import ChatName, ChoiceLabel, Description, Name, Rules
from posta.domain.language import Language

CHOICES_MOST = 25
"""Of one option, and of one answer to autocomplete."""
OptionType = Literal[
    "string", "integer", "boolean", "user", "channel", "role", "mentionable", "number", "attachment"
]
_CHOOSABLE = ("string", "integer", "number")


class OptionNumber(IntEnum):
    """Discord's numbers of the option types (application commands, "option type")."""

    SUBCOMMAND = 1
    SUBCOMMAND_GROUP = 2
    STRING = 3
    INTEGER = 4
    BOOLEAN = 5
    USER = 6
    CHANNEL = 7
    ROLE = 8
    MENTIONABLE = 9
    NUMBER = 10
    ATTACHMENT = 11


class Choice(Rules):
    """One value that can be chosen or is suggested."""

    label: ChoiceLabel
    value: Annotated[str, Field(max_length=100)] | int | float

    def name(self, language: Language) -> str:
        """What the person reads."""
        return self.label.text(language)


class Provider(Rules):
    """An address that gives all suggestions as JSON; asked in the background, answered from memory."""

    url: HttpUrl
    """Answers GET with a list of texts, or of ``{"name", "value"}``; the name may be ``{"en", "es"}``."""
    refresh_s: Annotated[float, Field(ge=5, le=86_400)] = 300
    """How often it is asked; the last good list is used until a newer one comes."""
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 5
    """For one request."""


class Suggestions(Rules):
    """What is suggested while the person types: a list here, or one from a provider."""

    choices: tuple[Choice, ...] = ()
    provider: Provider | None = None

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if bool(self.choices) == (self.provider is not None):
            raise ValueError("either choices or a provider")
        return self


class OptionRule(Rules):
    """One option."""

    name: Name
    names: dict[Literal["es"], ChatName] = Field(default_factory=dict)
    """The name as people with another language see and type it."""
    type: OptionType
    description: Description
    required: bool = False
    choices: Annotated[tuple[Choice, ...], Field(max_length=CHOICES_MOST)] = ()
    """The only values; without them anything of the type."""
    suggest: Suggestions | None = None
    """Autocomplete."""
    min_length: Annotated[int, Field(ge=0, le=6000)] | None = None
    max_length: Annotated[int, Field(ge=1, le=6000)] | None = None
    min_value: float | None = None
    max_value: float | None = None
    channel_types: tuple[int, ...] = ()
    """Discord's channel type numbers that can be chosen; none given: any."""

    @property
    def number(self) -> OptionNumber:
        """The type as Discord numbers it."""
        return OptionNumber[self.type.upper()]

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        limits = {
            "choices": (bool(self.choices), _CHOOSABLE),
            "suggest": (self.suggest is not None, _CHOOSABLE),
            "min_length, max_length": ((self.min_length, self.max_length) != (None, None), ("string",)),
            "min_value, max_value": (
                (self.min_value, self.max_value) != (None, None),
                ("integer", "number"),
            ),
            "channel_types": (bool(self.channel_types), ("channel",)),
        }
        for name, (is_set, types) in limits.items():
            if is_set and self.type not in types:
                raise ValueError(f"{name}: only for an option of type {', '.join(types)}")
        if self.choices and self.suggest:
            raise ValueError("suggest: an option with choices has no suggestions")
        self._check_values(self.choices + (self.suggest.choices if self.suggest else ()))
        return self

    def _check_values(self, choices: tuple[Choice, ...]) -> None:
        wanted = {"string": str, "integer": int, "number": int | float}.get(self.type, object)
        for choice in choices:
            if not isinstance(choice.value, wanted):
                raise ValueError(f"choices: {choice.label.en!r} has a value that is no {self.type}")  # noqa: TRY004 - pydantic takes ValueError only


def check_options(options: tuple[OptionRule, ...]) -> None:
    """Raise ``ValueError`` when the options of one command do not go together."""
    names = [option.name for option in options]
    if len(set(names)) != len(names):
        raise ValueError("options: two have the same name")
    required = [option.required for option in options]
    if required != sorted(required, reverse=True):
        raise ValueError("options: Discord wants the required ones first")
