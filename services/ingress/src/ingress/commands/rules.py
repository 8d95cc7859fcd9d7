"""Which commands people can use: ``commands.yaml``, with the rules Discord has for them."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from posta.rules_file import read_rules

FILE_NAME = "commands.yaml"
_MAX_COMMANDS = 100
_MAX_OPTIONS = 25

Name = Annotated[str, StringConstraints(pattern=r"^[-_a-z0-9]{1,32}$")]
Description = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Descriptions(_Rules):
    """One description in each language Posta writes."""

    en: Description
    es: Description


class OptionRule(_Rules):
    """One thing the person can fill in."""

    name: Name
    type: Literal["string", "integer", "number", "boolean"]
    required: bool = False
    max_length: Annotated[int, Field(ge=1, le=6000)] | None = None
    description: Descriptions


class CommandRule(_Rules):
    """One slash command."""

    description: Descriptions
    options: Annotated[tuple[OptionRule, ...], Field(min_length=1, max_length=_MAX_OPTIONS)]
    question: Name
    """The string option whose value is asked."""
    ephemeral: Name | None = None
    """The boolean option by which the person keeps the answer to themselves."""

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        types = {option.name: option.type for option in self.options}
        if len(types) != len(self.options):
            raise ValueError("options: two have the same name")
        if types.get(self.question) != "string":
            raise ValueError(f"question: {self.question!r} is not a string option of this command")
        if self.ephemeral is not None and types.get(self.ephemeral) != "boolean":
            raise ValueError(f"ephemeral: {self.ephemeral!r} is not a boolean option of this command")
        required = [option.required for option in self.options]
        if required != sorted(required, reverse=True):
            raise ValueError("options: Discord wants the required ones first")
        return self


class Commands(_Rules):
    """Every command, by its name."""

    commands: Annotated[dict[Name, CommandRule], Field(min_length=1, max_length=_MAX_COMMANDS)]

    def get(self, name: str) -> CommandRule | None:
        """The command of that name, or None."""
        return self.commands.get(name)


def load_commands(path: Path) -> Commands:
    """Read the file ``path``. Raises ``ConfigurationError`` naming file, path in it and reason."""
    return read_rules(path, Commands)
