"""Which application, with which token, at which Discord: those set, else the running sandbox's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from posta_cli import contact
from posta_cli.errors import CommandError, NotRunningError
from posta_cli.given import has
from posta_cli.home import locate

APPLICATION = "POSTA_DISCORD__APPLICATION_ID"
BOT_TOKEN = "POSTA_DISCORD__BOT_TOKEN"  # noqa: S105 - the name of the variable
API_URL = "POSTA_DISCORD__API_URL"
DISCORD = "https://discord.com/api/v10"
_SANDBOX_TOKEN = "sandbox"  # noqa: S105 - the look-alike takes any
_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One application at one Discord."""

    api_url: str
    application_id: str
    bot_token: str = field(repr=False)


def find_target(given: Mapping[str, str], *, application_id: str | None = None) -> Target:
    """Return the application to register for. Raises ``CommandError`` when none is known."""
    if has(given, BOT_TOKEN):
        application = application_id or given.get(APPLICATION, "")
        if not application:
            raise CommandError(
                f"{APPLICATION} is not set.", "The developer portal shows it: 'General Information'."
            )
        url = given.get(API_URL) or DISCORD
        return Target(api_url=url, application_id=application, bot_token=_bot_token(given))
    return _sandbox(given, application_id)


def _bot_token(given: Mapping[str, str]) -> str:
    if given.get(BOT_TOKEN):
        return given[BOT_TOKEN]
    try:
        return Path(given[f"{BOT_TOKEN}_FILE"]).read_text(encoding="utf-8").strip()
    except OSError as exc:
        raise CommandError(f"{BOT_TOKEN}_FILE cannot be read: {exc.strerror}.", "Correct the path.") from exc


def _sandbox(given: Mapping[str, str], application_id: str | None) -> Target:
    try:
        box = contact.ask(locate(given), "status")["status"]["sandbox"]
    except NotRunningError:
        box = None
    if not box:
        raise CommandError(
            f"{BOT_TOKEN} is not set, and no sandbox runs here.",
            "Set it and POSTA_DISCORD__APPLICATION_ID (docs/connect-discord.md), or start `posta up`.",
        )
    try:
        settings = httpx.get(f"{box['url']}/api/settings", timeout=_TIMEOUT_S, trust_env=False).json()
    except (httpx.HTTPError, ValueError) as exc:
        raise CommandError("The sandbox does not answer.", "See `posta logs sandbox`.") from exc
    return Target(
        api_url=f"{box['url']}/api/v10",
        application_id=application_id or settings["application_id"],
        bot_token=_SANDBOX_TOKEN,
    )
