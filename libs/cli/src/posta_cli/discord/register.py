"""Brings the commands that Discord knows in line with ``commands.yaml``, one scope after the other."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from posta.errors import ConfigurationError
from posta_cli.discord.api import CommandsApi
from posta_cli.discord.plan import Plan, plan
from posta_cli.errors import ConfigurationRefusedError
from posta_cli.reference.services import part

Show = Callable[[Plan], None]
Scope = tuple[str | None, Sequence[dict[str, Any]]]


def scopes(config_dir: Path, *, application_id: str, guild_id: str | None) -> list[Scope]:
    """What each scope should have: everywhere and each server named, or one server alone.

    Raises ``ConfigurationRefusedError`` with what is wrong in the file, ``CommandError`` when ingress,
    whose rules they are, is not installed.
    """
    rules, forms = part("ingress", "commands.rules"), part("ingress", "commands.registration")
    try:
        commands = rules.load_commands(config_dir / rules.FILE_NAME)
    except ConfigurationError as exc:
        raise ConfigurationRefusedError(f"{exc}.", "Correct the file.") from exc
    if guild_id is not None:
        return [(guild_id, forms.usable_in(commands, guild_id, application_id=application_id))]
    found: list[Scope] = [(None, forms.everywhere(commands, application_id=application_id))]
    found += [
        (guild, forms.in_guild(commands, guild, application_id=application_id))
        for guild in forms.guilds_of(commands, application_id=application_id)
    ]
    return found


def register(api: CommandsApi, wanted: Sequence[Scope], *, prune: bool, dry_run: bool, show: Show) -> bool:
    """Show what differs in each scope, then send it unless ``dry_run``; tell whether anything differed."""
    plans = [plan(commands, api.registered(guild), guild_id=guild, prune=prune) for guild, commands in wanted]
    for one in plans:
        show(one)
    for one in plans if not dry_run else ():
        if one.changes:
            api.overwrite(one.guild_id, one.overwrite)
    return any(one.changes for one in plans)
