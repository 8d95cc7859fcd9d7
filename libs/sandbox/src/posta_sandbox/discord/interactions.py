"""The signed request that Discord sends when somebody uses a command. Pure: ids and time are given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nacl.signing import SigningKey

from posta_sandbox.discord.people import Place, User
from posta_sandbox.keys import named_snowflake

USER_AGENT = "Discord-Interactions/1.0 (+https://discord.com)"
PERMISSIONS = "2248473465835073"

PING, COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 1, 2, 3, 4, 5
TYPE_BY_NAME = {
    "ping": PING,
    "command": COMMAND,
    "component": COMPONENT,
    "autocomplete": AUTOCOMPLETE,
    "modal": MODAL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One use of a command: who, where, what."""

    type: int
    command: str
    options: Mapping[str, Any]
    user: User
    place: Place
    locale: str
    guild_locale: str = "en-US"
    user_install: bool = False
    """Installed by the user only: Discord then names no guild as the installation's owner."""
    custom_id: str = ""
    values: tuple[str, ...] = ()
    message: Mapping[str, Any] | None = None
    """The message whose button was pressed."""
    command_type: int = 1
    """1 typed, 2 in the menu of a person, 3 in the menu of a message."""
    target_id: str | None = None
    """The person or message whose menu it was."""
    resolved: Mapping[str, Any] = field(default_factory=dict)
    """People, messages and so on that the target and the options name."""
    option_types: Mapping[str, int] = field(default_factory=dict)
    """Of options whose type their value does not tell, such as a user's id."""
    focused: str | None = None
    """Autocomplete: the option that is being typed; the last one unless named."""


def payload(use: Use, *, interaction_id: str, token: str, application_id: str) -> dict[str, Any]:
    """Build the interaction object with the fields recorded from Discord."""
    base: dict[str, Any] = {
        "app_permissions": PERMISSIONS,
        "application_id": application_id,
        "authorizing_integration_owners": {},
        "entitlements": [],
        "id": interaction_id,
        "token": token,
        "type": use.type,
        "version": 1,
    }
    if use.type == PING:
        return base | {"user": _without_flags(use.user)}
    base |= {
        "attachment_size_limit": 10_485_760,
        "authorizing_integration_owners": owners(use),
        "channel": _channel(use, application_id),
        "channel_id": use.place.channel_id,
        "data": _data(use),
        "locale": use.locale,
    }
    base |= _in_guild(use) if use.place.guild_id else _in_dm(use)
    return base | {"message": dict(use.message)} if use.message else base


def owners(use: Use) -> dict[str, str]:
    """Return who installed the application: key 0 the guild ("0" in its own DM), key 1 the user."""
    return {"1": use.user.id} if use.user_install else {"0": use.place.guild_id or "0"}


def _in_guild(use: Use) -> dict[str, Any]:
    return {
        "context": 0,
        "entitlement_sku_ids": [],
        "guild": {"features": [], "id": use.place.guild_id, "locale": use.guild_locale},
        "guild_id": use.place.guild_id,
        "guild_locale": use.guild_locale,
        "member": {
            "avatar": None,
            "banner": None,
            "communication_disabled_until": None,
            "deaf": False,
            "flags": 0,
            "joined_at": "2025-01-14T09:30:21.123000+00:00",
            "mute": False,
            "nick": None,
            "pending": False,
            "permissions": PERMISSIONS,
            "premium_since": None,
            "roles": [named_snowflake("role", "member")],
            "unusual_dm_activity_until": None,
            "user": _without_flags(use.user),
        },
    }


def _in_dm(use: Use) -> dict[str, Any]:
    return {"context": 2 if use.user_install else 1, "user": _without_flags(use.user)}


def _channel(use: Use, application_id: str) -> dict[str, Any]:
    channel: dict[str, Any] = {
        "flags": 0,
        "id": use.place.channel_id,
        "last_message_id": named_snowflake("message", "last"),
    }
    if use.place.guild_id is None:
        other = User(id=application_id, username="posta", global_name="Posta")
        return channel | {
            "recipient_flags": 0,
            "recipients": [_without_flags(other)],
            "type": 1,
        }
    return channel | {
        "guild_id": use.place.guild_id,
        "icon_emoji": {"id": None, "name": "👋"},
        "name": use.place.channel,
        "nsfw": False,
        "parent_id": named_snowflake("category", str(use.place.guild)),
        "permissions": PERMISSIONS,
        "position": 1,
        "rate_limit_per_user": 0,
        "theme_color": None,
        "topic": None,
        "type": 0,
    }


def _data(use: Use) -> dict[str, Any]:
    if use.type == COMPONENT:
        select = {"values": list(use.values)} if use.values else {}
        return {"component_type": 3 if select else 2, "custom_id": use.custom_id, "id": 2} | select
    if use.type == MODAL:
        inputs = [
            {
                "type": 18,
                "id": 2 * n + 1,
                "component": {"type": 4, "id": 2 * n + 2, "custom_id": name, "value": str(value)},
            }
            for n, (name, value) in enumerate(use.options.items())
        ]
        return {"custom_id": use.custom_id, "components": inputs}
    data: dict[str, Any] = {
        "id": named_snowflake("command", use.command),
        "name": use.command,
        "type": use.command_type,
    }
    if use.target_id is not None:
        data["target_id"] = use.target_id
    if use.resolved:
        data["resolved"] = dict(use.resolved)
    if use.options:
        data["options"] = [option(name, value, use.option_types) for name, value in use.options.items()]
    if use.type == AUTOCOMPLETE and use.options:
        _focus(data["options"], use.focused)
    return data


def _focus(options: list[dict[str, Any]], name: str | None) -> None:
    """Mark the option that is being typed, in a sub-command if there is one."""
    while options[-1].get("options"):
        options = options[-1]["options"]
    chosen = next((one for one in options if one["name"] == name), options[-1])
    chosen["focused"] = True


def option(name: str, value: Any, types: Mapping[str, int]) -> dict[str, Any]:
    """Return a command option, typed by its value; a mapping is a sub-command with its own."""
    match value:
        case Mapping():
            inner = [option(n, v, types) for n, v in value.items()]
            return {"name": name, "type": types.get(name, 1), "options": inner}
        case bool():
            return {"name": name, "type": 5, "value": value}
        case int():
            return {"name": name, "type": 4, "value": value}
        case float():
            return {"name": name, "type": 10, "value": value}
        case _:
            return {"name": name, "type": types.get(name, 3), "value": str(value)}


def _without_flags(user: User) -> dict[str, Any]:
    return {key: value for key, value in user.payload().items() if key != "flags"}


def signed_headers(key: SigningKey, raw: bytes, *, timestamp_s: int) -> dict[str, str]:
    """Return the headers of a genuine request: Ed25519 over the timestamp and the raw body."""
    timestamp = str(timestamp_s)
    return {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "x-signature-ed25519": key.sign(timestamp.encode() + raw).signature.hex(),
        "x-signature-timestamp": timestamp,
    }


def spoiled(headers: Mapping[str, str], how: str) -> dict[str, str]:
    """Return the headers with a signature that must be refused: bad, missing or malformed."""
    signature = headers["x-signature-ed25519"]
    rest = {name: value for name, value in headers.items() if name != "x-signature-ed25519"}
    match how:
        case "missing":
            return rest
        case "malformed":
            return rest | {"x-signature-ed25519": "not-hex-" + signature[8:]}
        case _:
            flipped = f"{int(signature[:2], 16) ^ 1:02x}"
            return rest | {"x-signature-ed25519": flipped + signature[2:]}
