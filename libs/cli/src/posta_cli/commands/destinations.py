"""`posta destinations`: register, list, disable and remove the places that events are delivered to."""

import asyncio
import getpass
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import SecretStr, TypeAdapter, ValidationError

from posta.destinations import DestinationId
from posta.destinations_sealed import HOSTS_VARIABLE, KEY_VARIABLE, RefusedUrl, Seal, checked_url, hosts_of
from posta.domain.language import language_of
from posta.errors import ConfigurationError
from posta.postgres.destinations import AlreadyRegistered, DestinationRegistry, Disabled, Registered
from posta.postgres.pool import Database
from posta_cli.credentials import destinations_key, load_or_generate
from posta_cli.database_call import call_database
from posta_cli.errors import CommandError
from posta_cli.given import read_given
from posta_cli.home import locate, read_ports
from posta_cli.webhook_look import LookFailed, WebhookFound, look_at

app = typer.Typer(no_args_is_help=True, help="Register the places that events are delivered to.")
R = TypeVar("R")
_ID = TypeAdapter(DestinationId)

Name = Annotated[str, typer.Argument(help="Its id: lower-case letters, digits, '.', '_' and '-'.")]


@app.command()
def add(  # noqa: PLR0913 - one option for each thing that can be said of a destination
    name: Name,
    description: Annotated[str, typer.Option("--description", help="What is shown there, for people.")],
    *,
    url_file: Annotated[
        Path | None, typer.Option("--url-file", help="A file with the webhook's URL; '-' is standard input.")
    ] = None,
    channel: Annotated[str, typer.Option("--channel", help="A channel's id: the bot posts there.")] = "",
    person: Annotated[str, typer.Option("--person", help="A user's id: the bot writes to them.")] = "",
    thread: Annotated[str, typer.Option("--thread", help="A thread's id in the webhook's channel.")] = "",
    username: Annotated[str, typer.Option("--username", help="The name that messages carry.")] = "",
    avatar_url: Annotated[str, typer.Option("--avatar-url", help="The picture beside it.")] = "",
    language: Annotated[str, typer.Option("--language", help="en or es.")] = "en",
    owner: Annotated[
        str, typer.Option("--owner", help="The destination that is told when this one is disabled.")
    ] = "",
    look: Annotated[
        bool, typer.Option("--look/--no-look", help="Ask Discord whether the webhook is there.")
    ] = True,
) -> None:
    """Register a webhook (its URL is asked for, never an argument), a channel or a person."""
    _check_id(name)
    given = read_given(os.environ, Path.cwd())
    place = channel or person
    if place and not place.isdigit():
        raise CommandError(f"{place!r} is no id.", "Discord's ids are numbers; copy it from Discord.")
    new = Registered(
        id=name,
        kind="channel" if channel else "person",
        description=description,
        place_id=place,
        thread_id=thread or None,
        username=username or None,
        avatar_url=avatar_url or None,
        language=language_of(language),
        owner=owner or None,
        created_by=getpass.getuser(),
    )
    if not place:
        new = _webhook(new, given, url_file, look=look)
    try:
        _run(lambda registry: registry.add(new))
    except AlreadyRegistered as exc:
        raise CommandError(f"{name}: {exc}.", "See `posta destinations list`.") from exc
    print(f"{name} is registered. Notifiers and ingress know it within seconds.")


@app.command(name="list")
def list_destinations(
    *, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False
) -> None:
    """Show what is registered, never a URL, and what is disabled and why."""
    rows, disabled = _run(_everything)
    if as_json:
        print(json.dumps([_document(row, disabled.get(row.id)) for row in rows], indent=2))
        return
    for row in rows:
        state = f"DISABLED: {disabled[row.id].why}" if row.id in disabled else "enabled"
        print(f"{row.id:<24} {row.kind:<8} {row.place_id:<20} {state}  {row.description}")
    for name in sorted(set(disabled) - {row.id for row in rows}):
        print(f"{name:<24} {'file':<8} {'':<20} DISABLED: {disabled[name].why}")
    if not rows and not disabled:
        print("None is registered. destinations.yaml may name others. See `posta destinations add --help`.")


@app.command()
def enable(name: Name) -> None:
    """Send there again, after its webhook was mended."""
    if not _run(lambda registry: registry.enable(name)):
        raise CommandError(f"{name} is not disabled.", "See `posta destinations list`.")
    print(f"{name} is enabled. Replay its dead letters when it works.")


@app.command()
def disable(
    name: Name, why: Annotated[str, typer.Option("--why", help="For whoever reads its dead letters.")]
) -> None:
    """Send nothing there any more; its events become dead letters."""
    if not _run(lambda registry: registry.disable(name, why=why)):
        raise CommandError(f"{name} is disabled already.", "See `posta destinations list`.")
    print(f"{name} is disabled.")


@app.command()
def remove(name: Name) -> None:
    """Forget a destination and its URL."""
    if not _run(lambda registry: registry.remove(name)):
        raise CommandError(f"{name} is not registered.", "See `posta destinations list`.")
    print(f"{name} is forgotten.")


def _webhook(new: Registered, given: Mapping[str, str], url_file: Path | None, *, look: bool) -> Registered:
    """``new`` as the webhook whose URL is read now."""
    seal = _seal(given)
    hosts = _hosts(given)
    try:
        checked = checked_url(_read_url(url_file), more_hosts=hosts)
    except RefusedUrl as exc:
        raise CommandError(f"The URL {exc}.", "Copy it in Discord: channel, Integrations, Webhooks.") from exc
    try:
        found = asyncio.run(look_at(checked.url)) if look else WebhookFound()
    except LookFailed as exc:
        raise CommandError(f"{exc}.", "Check the webhook, or register it unseen with --no-look.") from exc
    return replace(
        new,
        kind="webhook",
        place_id=checked.webhook_id,
        sealed_url=seal.close(new.id, checked.url),
        channel_id=found.channel_id,
        guild_id=found.guild_id,
    )


def _hosts(given: Mapping[str, str]) -> frozenset[str]:
    """Where URLs may lead beside Discord: as the settings say, else to the sandbox that `posta up` runs."""
    if HOSTS_VARIABLE in given:
        return hosts_of(given[HOSTS_VARIABLE])
    sandbox = read_ports(locate(given)).get("sandbox")
    return frozenset() if sandbox is None else frozenset({f"127.0.0.1:{sandbox}"})


def _read_url(url_file: Path | None) -> str:
    """The URL, from where no process list or shell history keeps it."""
    try:
        if url_file is not None and str(url_file) != "-":
            return url_file.read_text(encoding="utf-8").strip()
    except OSError as exc:
        raise CommandError(f"{url_file} cannot be read: {exc.strerror}.", "Check --url-file.") from exc
    if url_file is None and sys.stdin.isatty():
        return getpass.getpass("Webhook URL (not shown): ").strip()
    return sys.stdin.readline().strip()


def _seal(given: Mapping[str, str]) -> Seal:
    key = given.get(KEY_VARIABLE, "")
    if not key and given.get(f"{KEY_VARIABLE}_FILE"):
        key = Path(given[f"{KEY_VARIABLE}_FILE"]).read_text(encoding="utf-8").strip()
    home = locate(given)
    if not key and home.secrets_file.exists():
        key = destinations_key(load_or_generate(home))
    try:
        seal = Seal.of(SecretStr(key))
    except ConfigurationError as exc:
        raise CommandError(f"{exc}.", "Make one: openssl rand -hex 32") from exc
    if seal is None:
        raise CommandError(
            f"{KEY_VARIABLE} is not set: URLs are kept encrypted with it.",
            "Make one (openssl rand -hex 32) and give notifier the same.",
        )
    return seal


def _check_id(name: str) -> None:
    try:
        _ID.validate_python(name)
    except ValidationError as exc:
        raise CommandError(f"{name!r} is no id.", "Lower-case letters, digits, '.', '_' and '-'.") from exc


async def _everything(registry: DestinationRegistry) -> tuple[list[Registered], dict[str, Disabled]]:
    return await registry.all(), await registry.disabled()


def _document(row: Registered, disabled: Disabled | None) -> dict[str, object]:
    hidden = {"sealed_url"}
    shown = {name: getattr(row, name) for name in Registered.__dataclass_fields__ if name not in hidden}
    why = None if disabled is None else {"why": disabled.why, "since": disabled.since.isoformat()}
    return {**shown, "disabled": why}


def _run(act: Callable[[DestinationRegistry], Awaitable[R]]) -> R:
    async def acted(database: Database) -> R:
        return await act(DestinationRegistry(database))

    return call_database(acted, application="posta destinations")
