"""What a person filled in, by name: as values for programs, and as words for people and prompts. PURE."""

from collections.abc import Iterator
from typing import Any

from ingress.commands.options import OptionNumber
from ingress.interactions.interaction import Field, Interaction, Kind, Option, Resolved

_MEMBER_MENU, _MESSAGE_MENU = 2, 3
"""Command types USER and MESSAGE."""


def values_of(interaction: Interaction) -> dict[str, Any]:
    """Everything filled in as Discord sent it: options by name, a form's inputs by their id."""
    if interaction.type == Kind.MODAL:
        return {field.custom_id: _value(field) for field in _inputs(interaction.data.components)}
    if interaction.type == Kind.COMPONENT:
        return {"values": list(interaction.data.values)} if interaction.data.values else {}
    return {option.name: option.value for option in interaction.filled if option.value is not None}


def words_of(interaction: Interaction) -> dict[str, str]:
    """The same as words, with who it is, what it is about and what the button carried."""
    data = interaction.data
    words = {"person": interaction.display_name}
    if interaction.type in (Kind.COMPONENT, Kind.MODAL):
        words["state"] = state_of(interaction)
        words["values"] = ", ".join(data.values)
        words["target"] = interaction.message.content if interaction.message else ""
    if interaction.type == Kind.MODAL:
        return words | {name: _text(value) for name, value in values_of(interaction).items()}
    if data.target_id is not None:
        words |= _target(data.target_id, data.type, data.resolved)
    return words | {option.name: _word(option, data.resolved) for option in interaction.filled}


def name_of(interaction: Interaction) -> str:
    """What was used, as ``commands.yaml`` names it; a sub-command behind its command."""
    if interaction.type in (Kind.COMPONENT, Kind.MODAL):
        return interaction.data.custom_id.partition(":")[0]
    return " ".join((interaction.data.name, *interaction.path))


def state_of(interaction: Interaction) -> str:
    """What the button or form carried behind its id. Whoever sees the message could have sent it."""
    return interaction.data.custom_id.partition(":")[2]


def _inputs(fields: tuple[Field, ...]) -> Iterator[Field]:
    """The inputs of a form, in rows (its older shape) or in labels."""
    for field in fields:
        inner = (*field.components, *((field.component,) if field.component else ()))
        if inner:
            yield from _inputs(inner)
        elif field.custom_id:
            yield field


def _value(field: Field) -> Any:
    return list(field.values) if field.value is None and field.values else field.value


def _target(target_id: str, kind: int, resolved: Resolved) -> dict[str, str]:
    if kind == _MESSAGE_MENU:
        message = resolved.messages.get(target_id, {})
        author = message.get("author")
        return {
            "target": _text(message.get("content")),
            "target_author": _account(author) if isinstance(author, dict) else "",
        }
    if kind == _MEMBER_MENU:
        return {"target": _person(target_id, resolved)}
    return {"target": target_id}


def _word(option: Option, resolved: Resolved) -> str:
    key = option.value if isinstance(option.value, str) else ""
    match option.type:
        case OptionNumber.USER:
            return _person(key, resolved)
        case OptionNumber.CHANNEL:
            return f"#{_text(resolved.channels.get(key, {}).get('name', key))}"
        case OptionNumber.ROLE:
            return _role(key, resolved)
        case OptionNumber.MENTIONABLE:
            return _role(key, resolved) if key in resolved.roles else _person(key, resolved)
        case OptionNumber.ATTACHMENT:
            file = resolved.attachments.get(key, {})
            return " ".join(filter(None, (_text(file.get("filename", key)), _text(file.get("url")))))
        case _:
            return _text(option.value)


def _person(key: str, resolved: Resolved) -> str:
    nick = resolved.members.get(key, {}).get("nick")
    return _text(nick) or _account(resolved.users.get(key, {})) or key


def _account(user: dict[str, Any]) -> str:
    return _text(user.get("global_name")) or _text(user.get("username"))


def _role(key: str, resolved: Resolved) -> str:
    return f"@{_text(resolved.roles.get(key, {}).get('name', key))}"


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            return ", ".join(_text(one) for one in value)
        case _:
            return str(value).replace("\x00", "").strip()
