"""Discord's endpoints for application commands: read a scope, overwrite a scope."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from posta.version import service_version
from posta_cli.discord.plan import Form
from posta_cli.errors import CommandError

_TIMEOUT_S = 20.0
_WHAT_TO_DO = {
    httpx.codes.UNAUTHORIZED: "Check POSTA_DISCORD__BOT_TOKEN: the developer portal, 'Bot', 'Reset Token'.",
    httpx.codes.FORBIDDEN: "The application is not in that server, or lacks the scope applications.commands.",
    httpx.codes.NOT_FOUND: "Check POSTA_DISCORD__APPLICATION_ID and the server's id.",
}


class CommandsApi:
    """The commands of one application."""

    def __init__(
        self,
        *,
        api_url: str,
        application_id: str,
        bot_token: str,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._path = f"/applications/{application_id}"
        self._http = httpx.Client(
            base_url=api_url.rstrip("/"),
            timeout=_TIMEOUT_S,
            transport=transport,
            trust_env=not api_url.startswith("http://127.0.0.1"),
            headers={
                "authorization": f"Bot {bot_token}",
                "user-agent": f"DiscordBot (https://posta.example, {service_version()})",
            },
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def registered(self, guild_id: str | None) -> list[dict[str, Any]]:
        """What Discord knows in one scope. Raises ``CommandError``."""
        found: list[dict[str, Any]] = self._call("GET", guild_id, params={"with_localizations": "true"})
        return found

    def overwrite(self, guild_id: str | None, commands: Sequence[Form]) -> None:
        """Make ``commands`` all that one scope has. Raises ``CommandError``."""
        self._call("PUT", guild_id, json=[dict(one) for one in commands])

    def _call(self, method: str, guild_id: str | None, **request: Any) -> Any:
        scope = f"/guilds/{guild_id}" if guild_id else ""
        try:
            response = self._http.request(method, f"{self._path}{scope}/commands", **request)
        except httpx.HTTPError as exc:
            raise CommandError(
                f"Discord cannot be reached: {type(exc).__name__}.",
                "Check POSTA_DISCORD__API_URL and the network, then run this again.",
            ) from exc
        if response.is_success:
            return response.json()
        raise _refused(response)


def _refused(response: httpx.Response) -> CommandError:
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        wait = response.headers.get("retry-after", "some")
        return CommandError("Discord limits how often commands change.", f"Try again in {wait} seconds.")
    remedy = _WHAT_TO_DO.get(httpx.codes(response.status_code), "See the message above.")
    return CommandError(f"Discord answered {response.status_code}: {_message(response)}", remedy)


def _message(response: httpx.Response) -> str:
    try:
        body = response.json()
        places = "; ".join(_places(body.get("errors") or {}))
        return f"{body.get('message', '')} {places}".strip()
    except (ValueError, AttributeError):
        return response.reason_phrase


def _places(errors: Any, path: str = "") -> list[str]:
    """Each field that Discord refuses, with its reason."""
    if not isinstance(errors, dict):
        return []
    found = [f"{path}: {one.get('message')}" for one in errors.get("_errors", []) if isinstance(one, dict)]
    for key, inner in errors.items():
        if key != "_errors":
            found += _places(inner, f"{path}/{key}".lstrip("/"))
    return found
