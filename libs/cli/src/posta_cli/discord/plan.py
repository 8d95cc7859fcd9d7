"""PURE: what has to change so that Discord knows the commands of the rules, and leaves all others alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Form = Mapping[str, Any]
"""A command as Discord's API takes and gives it."""
_SAID_BY_DISCORD = frozenset({"id", "application_id", "version", "guild_id"})
_MEANT_WHEN_ABSENT: Mapping[str, Any] = {
    "type": 1, "required": False, "autocomplete": False, "nsfw": False, "dm_permission": True,
    "integration_types": [0], "default_permission": True}  # fmt: skip


class Change(StrEnum):
    """What becomes of one command."""

    ADD = "add"
    UPDATE = "update"
    SAME = "same"
    REMOVE = "remove"
    KEEP = "keep"
    """Not of these rules, and left as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command and what becomes of it."""

    change: Change
    name: str
    type: int
    differs: tuple[str, ...] = ()
    """Where an updated one is not as the rules say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One scope: everywhere, or one server."""

    guild_id: str | None
    steps: tuple[Step, ...]
    overwrite: tuple[Form, ...]
    """The whole list to be sent: the rules' commands, and the others as Discord has them."""

    @property
    def changes(self) -> bool:
        """Whether there is anything to send."""
        return any(step.change in (Change.ADD, Change.UPDATE, Change.REMOVE) for step in self.steps)


def plan(wanted: Sequence[Form], registered: Sequence[Form], *, guild_id: str | None, prune: bool) -> Plan:
    """Compare the rules' commands with the registered ones; ``prune`` also removes all others."""
    known = {_key(one): one for one in registered}
    steps = [_step(one, known.get(_key(one))) for one in wanted]
    ours = {_key(one) for one in wanted}
    others = [one for one in registered if _key(one) not in ours]
    fate = Change.REMOVE if prune else Change.KEEP
    # An application's activity has one entry point (type 4), which a list without it would remove.
    kept = [one for one in others if not prune or _key(one)[0] == _ENTRY_POINT]
    steps += [
        Step(change=Change.KEEP if one in kept else fate, name=one["name"], type=_key(one)[0])
        for one in others
    ]
    return Plan(guild_id=guild_id, steps=tuple(steps), overwrite=(*wanted, *kept))


_ENTRY_POINT = 4


def _key(one: Form) -> tuple[int, str]:
    return one.get("type", 1), one["name"]


def _step(wanted: Form, registered: Form | None) -> Step:
    kind, name = _key(wanted)
    if registered is None:
        return Step(change=Change.ADD, name=name, type=kind)
    differs = tuple(differences(_plain(wanted), _plain(registered)))
    change = Change.UPDATE if differs else Change.SAME
    return Step(change=change, name=name, type=kind, differs=differs)


def differences(wanted: Any, registered: Any, path: str = "") -> list[str]:
    """Every path at which two plain forms differ."""
    if isinstance(wanted, dict) and isinstance(registered, dict):
        return [
            found
            for key in sorted({*wanted, *registered})
            for found in differences(wanted.get(key), registered.get(key), f"{path}/{key}".lstrip("/"))
        ]
    both_lists = isinstance(wanted, list) and isinstance(registered, list)
    if both_lists and len(wanted) == len(registered):
        return [
            found
            for number, (mine, theirs) in enumerate(zip(wanted, registered, strict=True))
            for found in differences(mine, theirs, f"{path}/{_name(mine, number)}")
        ]
    return [] if wanted == registered else [path]


def _name(one: Any, number: int) -> str:
    return str(one.get("name", number)) if isinstance(one, dict) else str(number)


def _plain(value: Any) -> Any:
    """A form without what Discord adds, and without what means the same when it is not there."""
    match value:
        case Mapping():
            return {
                key: _plain(inner)
                for key, inner in value.items()
                if key not in _SAID_BY_DISCORD and not _is_default(key, inner)
            }
        case list() | tuple():
            return [_plain(one) for one in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def _is_default(key: str, value: Any) -> bool:
    if value is None or value in ([], {}, ""):
        return True
    return key in _MEANT_WHEN_ABSENT and value == _MEANT_WHEN_ABSENT[key]
