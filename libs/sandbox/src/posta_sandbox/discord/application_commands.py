"""The commands an application has registered, by scope, checked as Discord checks them. Pure.

Rules: application commands, "Create" and "Naming" in Discord's API documentation (protocols: A9).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from posta_sandbox.discord.errors import invalid_form
from posta_sandbox.discord.limits import problem
from posta_sandbox.keys import named_snowflake

_NAME = re.compile(r"[-_'\w]{1,32}")
_MOST = {1: 100, 2: 15, 3: 15, 4: 1}
_OPTIONS_MOST = 25
_CHARS_MOST = 8000
_CHAT = 1
_LOCALIZED = ("name_localizations", "description_localizations")
_SUBCOMMANDS = (1, 2)


class ApplicationCommands:
    """What is registered everywhere and in each server."""

    def __init__(self, application_id: str) -> None:
        self._application_id = application_id
        self._scopes: dict[str | None, list[dict[str, Any]]] = {}
        self.version = 0

    def clear(self) -> None:
        """Forget everything."""
        self._scopes.clear()
        self.version += 1

    def of(self, guild_id: str | None, *, with_localizations: bool = True) -> list[dict[str, Any]]:
        """What one scope has; names in other languages only when asked for."""
        found = self._scopes.get(guild_id, [])
        return found if with_localizations else [_without_localizations(one) for one in found]

    def usable_in(self, guild_id: str | None) -> list[dict[str, Any]]:
        """What a person is offered: the server's own, and the global ones that it does not hide."""
        own = self._scopes.get(guild_id, []) if guild_id else []
        taken = {(one["type"], one["name"]) for one in own}
        context = 0 if guild_id else 1
        everywhere = [
            one
            for one in self._scopes.get(None, [])
            if (one["type"], one["name"]) not in taken and context in (one.get("contexts") or [0, 1])
        ]
        return [*own, *everywhere]

    def option_types(self, name: str) -> dict[str, int]:
        """The types of a command's options by name, those of its sub-commands too."""
        every = [one for scope in self._scopes.values() for one in scope if one["name"] == name]
        found: dict[str, int] = {}
        waiting = [option for one in every for option in one.get("options") or []]
        while waiting:
            option = waiting.pop()
            found[option["name"]] = option["type"]
            waiting += option.get("options") or []
        return found

    def overwrite(self, guild_id: str | None, commands: Sequence[Any]) -> list[dict[str, Any]]:
        """Make ``commands`` all of a scope; raises 50035 and changes nothing when one breaks a rule."""
        errors = {str(n): found for n, one in enumerate(commands) if (found := _problems(one))}
        if not errors:
            errors = _problems_together(commands)
        if errors:
            raise invalid_form(errors)
        self._scopes[guild_id] = [self._registered(one, guild_id) for one in commands]
        self.version += 1
        return self._scopes[guild_id]

    def _registered(self, command: Mapping[str, Any], guild_id: str | None) -> dict[str, Any]:
        kind = command.get("type") or _CHAT
        scope = guild_id or "everywhere"
        registered: dict[str, Any] = {
            "description": "",
            "name_localizations": None,
            "description_localizations": None,
            "default_member_permissions": None,
            "nsfw": False,
            **command,
            "id": named_snowflake("command", f"{scope}/{kind}/{command['name']}"),
            "application_id": self._application_id,
            "type": kind,
            "version": named_snowflake("version", f"{scope}/{self.version}/{command['name']}"),
        }
        if guild_id is not None:
            return registered | {"guild_id": guild_id}
        return {"contexts": None, "integration_types": [0], **registered}


def _problems(command: Any) -> dict[str, Any]:
    """What is wrong with one command, by field."""
    if not isinstance(command, Mapping):
        return problem("DICT_TYPE_CONVERT", "Only dictionaries may be used.")
    kind = command.get("type") or _CHAT
    errors: dict[str, Any] = {}
    if kind not in _MOST:
        errors["type"] = problem("BASE_TYPE_CHOICES", f"Value must be one of {sorted(_MOST)}.")
    errors |= _name_problems(command, is_typed=kind == _CHAT)
    if kind == _CHAT:
        errors |= _description_problems(command)
        errors |= _options_problems(command.get("options") or [])
    if _chars(command) > _CHARS_MOST:
        errors["_errors"] = problem("APPLICATION_COMMAND_TOO_LARGE", f"At most {_CHARS_MOST} characters.")[
            "_errors"
        ]
    return errors


def _name_problems(one: Mapping[str, Any], *, is_typed: bool) -> dict[str, Any]:
    for field, name in [("name", one.get("name")), *_localized(one, "name_localizations")]:
        if not isinstance(name, str) or not 1 <= len(name) <= 32:  # noqa: PLR2004 - Discord's limit
            return {field: problem("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 32 in length.")}
        if is_typed and (not _NAME.fullmatch(name) or name != name.lower()):
            return {field: problem("APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")}
    return {}


def _description_problems(one: Mapping[str, Any]) -> dict[str, Any]:
    described = [("description", one.get("description")), *_localized(one, "description_localizations")]
    for field, text in described:
        if not isinstance(text, str) or not 1 <= len(text) <= 100:  # noqa: PLR2004 - Discord's limit
            return {field: problem("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")}
    return {}


def _options_problems(options: Sequence[Any]) -> dict[str, Any]:
    if len(options) > _OPTIONS_MOST:
        return {"options": problem("BASE_TYPE_MAX_LENGTH", f"Must be {_OPTIONS_MOST} or fewer in length.")}
    errors: dict[str, Any] = {}
    names = [option.get("name") for option in options]
    for number, option in enumerate(options):
        found = _name_problems(option, is_typed=True) | _description_problems(option)
        if option.get("type") in _SUBCOMMANDS:
            found |= _options_problems(option.get("options") or [])
        elif option.get("choices") and option.get("autocomplete"):
            found["autocomplete"] = problem("APPLICATION_COMMAND_AUTOCOMPLETE", "An option has one of both.")
        if names.index(option.get("name")) != number:
            found["name"] = problem(
                "APPLICATION_COMMAND_OPTIONS_NAME_INVALID", "Option names must be unique."
            )
        if option.get("required") and not all(before.get("required") for before in options[:number]):
            found["required"] = problem(
                "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", "Required options must be placed first."
            )
        if found:
            errors[str(number)] = found
    return {"options": errors} if errors else {}


def _problems_together(commands: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    seen: set[tuple[int, str]] = set()
    counts = dict.fromkeys(_MOST, 0)
    for number, one in enumerate(commands):
        key = (one.get("type") or _CHAT, one["name"])
        if key in seen:
            text = "Application command names must be unique"
            return {str(number): {"name": problem("APPLICATION_COMMANDS_DUPLICATE_NAME", text)}}
        seen.add(key)
        counts[key[0]] += 1
    for kind, count in counts.items():
        if count > _MOST[kind]:
            return problem("BASE_TYPE_MAX_LENGTH", f"At most {_MOST[kind]} commands of type {kind}.")
    return {}


def _localized(one: Mapping[str, Any], field: str) -> Iterator[tuple[str, Any]]:
    for text in (one.get(field) or {}).values():
        yield field, text


def _chars(one: Mapping[str, Any]) -> int:
    """The characters that Discord counts: the longest of each text's languages."""
    own = sum(
        max(
            [
                len(str(one.get(field) or "")),
                *(len(str(text)) for _, text in _localized(one, f"{field}_localizations")),
            ]
        )
        for field in ("name", "description")
    )
    choices = one.get("choices") or []
    own += sum(
        len(str(choice.get("value", ""))) for choice in choices if isinstance(choice.get("value"), str)
    )
    inner = [*choices, *(one.get("options") or [])]
    return own + sum(_chars(part) for part in inner if isinstance(part, Mapping))


def _without_localizations(value: Any) -> Any:
    match value:
        case Mapping():
            return {
                key: _without_localizations(inner) for key, inner in value.items() if key not in _LOCALIZED
            }
        case list():
            return [_without_localizations(one) for one in value]
        case _:
            return value
