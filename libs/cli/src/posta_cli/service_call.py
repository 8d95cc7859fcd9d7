"""Asks one service of the running system over HTTP, and says what to do when that does not work."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from posta_cli import contact
from posta_cli.errors import CommandError
from posta_cli.given import read_given
from posta_cli.home import locate
from posta_cli.operator_key import operator_key


def ask_service(
    name: str,
    method: str,
    path: str,
    *,
    scopes: Sequence[str],
    timeout_s: float,
    query: Mapping[str, str | int] | None = None,
    body: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What the service answered: a JSON object.

    Raises CommandError when the system is not up or runs no such service, when no key with these ``scopes``
    is known, and when the service does not answer or refuses.
    """
    given = read_given(os.environ, Path.cwd())
    running = contact.ask(locate(given), "status")["status"]
    service = running["services"].get(name)
    if service is None:
        raise CommandError(f"This system runs no {name}.", "Start it with `posta up`.")
    headers = {"authorization": f"Bearer {operator_key(running, given, scopes=scopes)}"}
    try:
        answer = httpx.request(
            method,
            f"{service['url']}{path}",
            params=query,
            json=body,
            headers=headers,
            timeout=timeout_s,
            trust_env=False,
        )
        said = answer.json()
    except (httpx.HTTPError, ValueError) as exc:
        raise CommandError(
            f"{name} does not answer ({type(exc).__name__}).", "See `posta status` and `posta logs`."
        ) from exc
    if not answer.is_success or not isinstance(said, dict):
        said = said if isinstance(said, dict) else {}
        raise CommandError(
            f"{name} answered {answer.status_code}: {said.get('title', 'no reason given')}.",
            str(said.get("detail", f"See `posta logs {name}`.")),
        )
    return said
