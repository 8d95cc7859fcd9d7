"""The people and messages that an interaction names by id, as Discord sends them along. Pure."""

from collections.abc import Mapping
from typing import Any

from posta_sandbox.discord import people

_USER, _MENTIONABLE = 6, 9


class Resolved:
    """Collects what is named."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Any]] = {}

    def options(self, options: Mapping[str, Any], types: Mapping[str, int]) -> dict[str, Any]:
        """The options with ids in the place of people's names."""
        return {name: self._value(name, value, types) for name, value in options.items()}

    def person(self, name: str) -> str:
        """The id of the person of this name."""
        user = people.user(name)
        self.found.setdefault("users", {})[user.id] = user.payload()
        return user.id

    def message(self, message: Mapping[str, Any]) -> str:
        """The id of a message."""
        self.found.setdefault("messages", {})[message["id"]] = dict(message)
        return str(message["id"])

    def _value(self, name: str, value: Any, types: Mapping[str, int]) -> Any:
        if isinstance(value, Mapping):
            return self.options(value, types)
        if types.get(name) in (_USER, _MENTIONABLE) and not str(value).isdecimal():
            return self.person(str(value))
        return value
