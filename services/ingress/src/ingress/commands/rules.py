"""Which commands, buttons and forms people can use: ``commands.yaml``, by the rules Discord has for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ingress.commands.actions import Action, AskLlm, OpenForm, PublishEvent, reply_of
from ingress.commands.forms import ComponentRule, FormRule
from ingress.commands.options import OptionRule, check_options
from ingress.commands.wording import ChatName, Description, MenuName, Name, Rules, Snowflake, chat_name
from posta.rules_file import read_rules

FILE_NAME = "commands.yaml"
_MOST_OF_A_TYPE = {"chat": 100, "user": 15, "message": 15}
_ALWAYS = frozenset({"person"})
_OF_A_PRESS = _ALWAYS | {"state", "values", "target"}
_OF_A_TARGET = _ALWAYS | {"target", "target_author"}
Options = Annotated[tuple[OptionRule, ...], Field(max_length=25)]


class Use(Rules):
    """What happens when a command without sub-commands, or one sub-command, is used."""

    options: Options = ()
    action: Action
    ephemeral: bool | Name = False
    """Only the person sees the answer: always, or when this boolean option of theirs is true."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_options(self.options)
        types = {option.name: option.type for option in self.options}
        if isinstance(self.ephemeral, str) and types.get(self.ephemeral) != "boolean":
            raise ValueError(f"ephemeral: {self.ephemeral!r} is not a boolean option of this command")
        return self


class Subcommand(Use):
    """One sub-command."""

    names: dict[Literal["es"], ChatName] = Field(default_factory=dict)
    description: Description


class SubcommandGroup(Rules):
    """Sub-commands under one word."""

    names: dict[Literal["es"], ChatName] = Field(default_factory=dict)
    description: Description
    subcommands: Annotated[dict[Name, Subcommand], Field(min_length=1, max_length=25)]


class CommandLimits(Rules):
    """Limits of one command, besides those of the whole deployment."""

    per_user_per_minute: Annotated[int, Field(ge=1, le=600)] | None = None


class CommandRule(Rules):
    """One command: typed (chat), or in the menu of a person or a message."""

    type: Literal["chat", "user", "message"] = "chat"
    names: dict[Literal["es"], str] = Field(default_factory=dict)
    """The name as people with another language see and type it."""
    description: Description | None = None
    options: Options = ()
    action: Action | None = None
    ephemeral: bool | Name = False
    subcommands: Annotated[dict[Name, Subcommand | SubcommandGroup], Field(max_length=25)] = Field(
        default_factory=dict
    )
    limits: CommandLimits = CommandLimits()
    roles: tuple[Snowflake, ...] = ()
    """Who may use it: members with one of these role ids; none given: everybody."""
    guilds: tuple[Snowflake, ...] = ()
    """Registered and answered in these servers only; none given: everywhere."""
    applications: tuple[Snowflake, ...] = ()
    """For these applications of the deployment only; none given: for all."""
    contexts: tuple[Literal["guild", "bot_dm", "private"], ...] = ("guild", "bot_dm")
    """Where it can be used; ``private`` needs an installation by the user."""
    installs: Annotated[tuple[Literal["guild", "user"], ...], Field(min_length=1)] = ("guild",)
    """Who can install it."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if bool(self.subcommands) == (self.action is not None):
            raise ValueError("either an action or subcommands")
        if self.subcommands and (self.options or self.ephemeral):
            raise ValueError("options, ephemeral: they belong to each sub-command")
        if (self.type == "chat") != (self.description is not None):
            raise ValueError("description: needed by a chat command, and none of the others has one")
        if self.type != "chat" and (self.options or self.subcommands or isinstance(self.ephemeral, str)):
            raise ValueError("options, subcommands: only a chat command has them")
        if self.action is not None:
            self.use(())
        return self

    def use(self, path: tuple[str, ...]) -> Use | None:
        """What the sub-command at ``path`` does, or the command itself at the empty path."""
        if not path:
            return self._whole
        found = self.subcommands.get(path[0])
        match found, path[1:]:
            case Subcommand(), ():
                return found
            case SubcommandGroup(), (name,):
                return found.subcommands.get(name)
            case _:
                return None

    @cached_property
    def _whole(self) -> Use | None:
        if self.action is None:
            return None
        return Use(options=self.options, action=self.action, ephemeral=self.ephemeral)

    @property
    def uses(self) -> Iterator[tuple[tuple[str, ...], Use]]:
        """Every way to use it, by the path of its sub-command."""
        if self._whole is not None:
            yield (), self._whole
        for name, sub in self.subcommands.items():
            if isinstance(sub, Subcommand):
                yield (name,), sub
            else:
                for inner, leaf in sub.subcommands.items():
                    yield (name, inner), leaf


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """An action, where it stands in the file, and what can be filled in there."""

    where: str
    action: Action
    fields: frozenset[str]
    is_press: bool
    """Whether there is a message whose button was pressed."""
    is_form: bool = False


class Commands(Rules):
    """The whole file."""

    commands: Annotated[dict[MenuName, CommandRule], Field(min_length=1)]
    components: dict[Name, ComponentRule] = Field(default_factory=dict)
    modals: dict[Name, FormRule] = Field(default_factory=dict)

    def get(self, name: str) -> CommandRule | None:
        """The command of that name, or None."""
        return self.commands.get(name)

    @property
    def destinations(self) -> frozenset[str]:
        """Every destination that an action names."""
        actions = [place.action for place in self._places]
        return frozenset(a.destination for a in actions if isinstance(a, PublishEvent) and a.destination)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        self._check_names()
        for place in self._places:
            self._check(place)
        return self

    def _check_names(self) -> None:
        counts = dict.fromkeys(_MOST_OF_A_TYPE, 0)
        for name, command in self.commands.items():
            counts[command.type] += 1
            for one in (name, *command.names.values()) if command.type == "chat" else ():
                try:
                    chat_name(one)
                except ValueError as exc:
                    raise ValueError(f"commands/{name}: {exc}") from None
        for kind, count in counts.items():
            if count > _MOST_OF_A_TYPE[kind]:
                raise ValueError(f"commands: Discord takes {_MOST_OF_A_TYPE[kind]} of type {kind}")

    @property
    def _places(self) -> Iterator[_Place]:
        for name, command in self.commands.items():
            for path, use in command.uses:
                own = frozenset(option.name for option in use.options)
                fields = own | (_ALWAYS if command.type == "chat" else _OF_A_TARGET)
                where = "/".join(("commands", name, *path))
                yield _Place(where=where, action=use.action, fields=fields, is_press=False)
        for name, component in self.components.items():
            where = f"components/{name}"
            yield _Place(where=where, action=component.action, fields=_OF_A_PRESS, is_press=True)
        for name, form in self.modals.items():
            fields = _OF_A_PRESS | frozenset(form.fields)
            where = f"modals/{name}"
            yield _Place(where=where, action=form.action, fields=fields, is_press=True, is_form=True)

    def _check(self, place: _Place) -> None:
        action, where = place.action, place.where
        unknown = sorted(action.asks_for - place.fields)
        if unknown:
            raise ValueError(f"{where}: {{{unknown[0]}}} is nothing that can be filled in there")
        if isinstance(action, OpenForm):
            if place.is_form:
                raise ValueError(f"{where}: a form cannot open another one")
            if action.modal not in self.modals:
                raise ValueError(f"{where}: there is no form {action.modal!r}")
        reply = reply_of(action)
        missing = sorted((reply.component_ids if reply else frozenset()) - set(self.components))
        if missing:
            raise ValueError(f"{where}: there is no component {missing[0]!r}")
        if not place.is_press:
            _check_without_message(action, where)


def _check_without_message(action: Action, where: str) -> None:
    """A command comes from no message, so there is none to replace."""
    reply = reply_of(action)
    if reply is not None and reply.replaces:
        raise ValueError(f"{where}: replaces: only for a button, menu or form")
    if isinstance(action, AskLlm) and action.acknowledge == "update":
        raise ValueError(f"{where}: acknowledge: update is only for a button, menu or form")
    if isinstance(action, PublishEvent) and reply is None:
        raise ValueError(f"{where}: reply: a command must say something")


def load_commands(path: Path) -> Commands:
    """Read the file ``path``. Raises ``ConfigurationError`` naming file, path in it and reason."""
    return read_rules(path, Commands)
