"""`posta discord`: bring the commands that Discord knows in line with `commands.yaml`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from posta_cli import rules
from posta_cli.discord.api import CommandsApi
from posta_cli.discord.plan import Change, Plan
from posta_cli.discord.register import register as register_commands
from posta_cli.discord.register import scopes
from posta_cli.discord.target import find_target
from posta_cli.errors import CommandError
from posta_cli.given import read_given

app = typer.Typer(no_args_is_help=True, help="Work on the Discord application.")
EXIT_DIFFERS = 2
"""`--dry-run` found differences."""
_MARKS = {
    Change.ADD: "+",
    Change.UPDATE: "~",
    Change.REMOVE: "-",
    Change.SAME: "=",
    Change.KEEP: " ",
}
_KINDS = {1: "/", 2: "on a person: ", 3: "on a message: ", 4: "activity: "}


@app.callback()
def discord() -> None:
    """Work on the Discord application."""


@app.command()
def register(
    *,
    guild: Annotated[
        str | None, typer.Option("--guild", help="Only this server's id, with all that works there: at once.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what differs and change nothing; exit 2: something does.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also remove commands that are not in commands.yaml.")
    ] = False,
    application: Annotated[
        str | None, typer.Option("--application", help="Another application's id than the one set.")
    ] = None,
) -> None:
    """Make Discord's commands those of commands.yaml: shows the difference, then overwrites.

    Needs POSTA_DISCORD__APPLICATION_ID and POSTA_DISCORD__BOT_TOKEN; without them the sandbox of the running
    system is taken. Commands that are not in the file stay, unless --prune is given.
    """
    given = read_given(os.environ, Path.cwd())
    config_dir = rules.find(given, Path.cwd())
    if config_dir is None:
        raise CommandError("There is no commands.yaml here.", "Set POSTA_CONFIG_DIR to its folder.")
    if guild is not None and not guild.isdecimal():
        raise CommandError(f"{guild!r} is no server's id.", "In Discord: right-click the server, 'Copy ID'.")
    target = find_target(given, application_id=application)
    wanted = scopes(config_dir, application_id=target.application_id, guild_id=guild)
    with CommandsApi(
        api_url=target.api_url, application_id=target.application_id, bot_token=target.bot_token
    ) as api:
        differs = register_commands(api, wanted, prune=prune, dry_run=dry_run, show=_show)
    if not differs:
        print("Discord knows every command as it is in commands.yaml.")
    elif dry_run:
        print("Nothing was changed.")
        raise typer.Exit(EXIT_DIFFERS)
    else:
        print("Done." + ("" if guild else " Discord's apps may show it only after a reload (Ctrl+R)."))


def _show(plan: Plan) -> None:
    print("everywhere" if plan.guild_id is None else f"server {plan.guild_id}")
    for step in plan.steps:
        note = {Change.KEEP: "not in commands.yaml, kept", Change.UPDATE: ", ".join(step.differs)}
        line = f"  {_MARKS[step.change]} {_KINDS.get(step.type, '')}{step.name}"
        print(f"{line:<34} {note.get(step.change, '')}".rstrip())
