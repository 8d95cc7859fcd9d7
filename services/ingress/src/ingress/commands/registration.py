"""The commands of ``commands.yaml`` in the form that Discord registers them in. PURE."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ingress.commands.options import Choice, OptionNumber, OptionRule
from ingress.commands.rules import CommandRule, Commands, Subcommand, SubcommandGroup
from ingress.commands.wording import Words

_SPANISH = ("es-ES", "es-419")
_TYPES = {"chat": 1, "user": 2, "message": 3}
_CONTEXTS = {"guild": 0, "bot_dm": 1, "private": 2}
_INSTALLS = {"guild": 0, "user": 1}


def everywhere(commands: Commands, *, application_id: str) -> list[dict[str, Any]]:
    """What is registered globally: the commands that are for no server in particular."""
    return [form(name, rule) for name, rule in _of(commands, application_id) if not rule.guilds]


def in_guild(commands: Commands, guild_id: str, *, application_id: str) -> list[dict[str, Any]]:
    """What is registered in one server: the commands that are for it by name."""
    return [form(name, rule) for name, rule in _of(commands, application_id) if guild_id in rule.guilds]


def usable_in(commands: Commands, guild_id: str, *, application_id: str) -> list[dict[str, Any]]:
    """Every command that works in one server, the global ones too: to try them out there at once."""
    fitting = [pair for pair in _of(commands, application_id) if guild_id in (pair[1].guilds or [guild_id])]
    return [form(name, rule) for name, rule in fitting]


def guilds_of(commands: Commands, *, application_id: str) -> list[str]:
    """Every server that some command is for by name."""
    return sorted({guild for _, rule in _of(commands, application_id) for guild in rule.guilds})


def form(name: str, rule: CommandRule) -> dict[str, Any]:
    """One command as Discord's API takes it."""
    shown: dict[str, Any] = {"name": name, "type": _TYPES[rule.type], **_names(rule.names)}
    if rule.description is not None:
        shown |= _description(rule.description)
    options = [_option(option) for option in rule.options]
    options += [_sub(sub_name, sub) for sub_name, sub in rule.subcommands.items()]
    if options:
        shown["options"] = options
    if not rule.guilds:
        # A server's own commands have neither: they are where they are.
        shown["contexts"] = sorted(_CONTEXTS[one] for one in rule.contexts)
        shown["integration_types"] = sorted(_INSTALLS[one] for one in rule.installs)
    return shown


def _of(commands: Commands, application_id: str) -> Iterable[tuple[str, CommandRule]]:
    return [
        (name, rule)
        for name, rule in commands.commands.items()
        if not rule.applications or application_id in rule.applications
    ]


def _sub(name: str, sub: Subcommand | SubcommandGroup) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": name, **_names(sub.names), **_description(sub.description)}
    if isinstance(sub, Subcommand):
        options = [_option(option) for option in sub.options]
        return {"type": OptionNumber.SUBCOMMAND.value, **shown, **({"options": options} if options else {})}
    inner = [_sub(inner_name, leaf) for inner_name, leaf in sub.subcommands.items()]
    return {"type": OptionNumber.SUBCOMMAND_GROUP.value, **shown, "options": inner}


def _option(option: OptionRule) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": option.number.value,
        "name": option.name,
        **_names(option.names),
        **_description(option.description),
    }
    if option.required:
        shown["required"] = True
    if option.suggest:
        shown["autocomplete"] = True
    if option.choices:
        shown["choices"] = [_choice(choice) for choice in option.choices]
    if option.channel_types:
        shown["channel_types"] = list(option.channel_types)
    limits = {name: getattr(option, name) for name in ("min_length", "max_length", "min_value", "max_value")}
    return shown | {name: value for name, value in limits.items() if value is not None}


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "name": choice.label.en,
        "value": choice.value,
        "name_localizations": dict.fromkeys(_SPANISH, choice.label.es),
    }


def _names(names: Mapping[Literal["es"], str]) -> dict[str, Any]:
    return {"name_localizations": dict.fromkeys(_SPANISH, names["es"])} if "es" in names else {}


def _description(words: Words) -> dict[str, Any]:
    return {
        "description": words.en,
        "description_localizations": dict.fromkeys(_SPANISH, words.es),
    }
