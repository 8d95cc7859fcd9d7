"""Keeps the providers' suggestions in memory: asked in the background, so that nobody ever waits for them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from pydantic import ValidationError

from ingress.commands.options import Choice, Provider
from ingress.commands.rules import Commands
from ingress.commands.wording import Words
from posta.background import alongside
from posta.errors import Malformed, Transient
from posta.http.bounded import PLAIN, compression_of, read_at_most
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_CHOICES_MOST = 5_000
_BYTES_MOST = 1_048_576
_LOOK_EVERY_S = 1.0
_NAME_MOST_CHARS = 100
_VALUE_MOST_CHARS = 100


class Suggesters:
    """Every provider of the rules, with the last list it gave."""

    def __init__(self) -> None:
        self.lists: dict[str, Sequence[Choice]] = {}
        """By address; what a provider gave last stays while it fails."""
        self._providers: dict[str, Provider] = {}
        self._due: dict[str, float] = {}

    def use(self, commands: Commands) -> None:
        """Ask the providers of ``commands`` from now on, and no others."""
        self._providers = {str(one.url): one for one in _providers(commands)}
        self.lists = {url: known for url, known in self.lists.items() if url in self._providers}
        self._due = {url: self._due.get(url, 0.0) for url in self._providers}

    @asynccontextmanager
    async def refreshing(self) -> AsyncIterator[None]:
        """Ask each provider at its times while the block runs."""
        async with (
            httpx.AsyncClient() as client,
            alongside(lambda: self._refresh_on(client), name="suggestions"),
        ):
            yield

    async def _refresh_on(self, client: httpx.AsyncClient) -> None:
        while True:
            for url, provider in list(self._providers.items()):
                if self._due.get(url, 0.0) <= time.monotonic():
                    self._due[url] = time.monotonic() + provider.refresh_s
                    await self.refresh(client, provider)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def refresh(self, client: httpx.AsyncClient, provider: Provider) -> None:
        """Ask ``provider`` once; when it fails, its last list stays."""
        url = str(provider.url)
        try:
            self.lists[url] = await _fetch(client, provider)
        except (Transient, Malformed) as exc:
            names.SUGGESTIONS_FAILED.inc()
            log.warning("suggestions_not_refreshed", host=provider.url.host, reason=str(exc))


def _providers(commands: Commands) -> list[Provider]:
    uses = [use for command in commands.commands.values() for _, use in command.uses]
    options = [option for use in uses for option in use.options]
    return [option.suggest.provider for option in options if option.suggest and option.suggest.provider]


async def _fetch(client: httpx.AsyncClient, provider: Provider) -> list[Choice]:
    """What the provider answers. Raises ``Transient`` or ``Malformed``; neither quotes the address."""
    try:
        async with (
            asyncio.timeout(provider.timeout_s),
            client.stream("GET", str(provider.url), headers=PLAIN, timeout=provider.timeout_s) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise Transient(f"status {response.status_code}")
            compression = compression_of(response)
            if compression is not None:
                raise Malformed(f"compressed ({compression}) although that was not asked for")
            body = await read_at_most(response, _BYTES_MOST)
    except (httpx.HTTPError, TimeoutError) as exc:
        raise Transient(type(exc).__name__) from exc
    if len(body) > _BYTES_MOST:
        raise Malformed(f"more than {_BYTES_MOST} bytes")
    try:
        return choices_of(json.loads(body))
    except ValueError as exc:
        raise Malformed("not JSON") from exc


def choices_of(answer: Any) -> list[Choice]:
    """The choices in a provider's answer, without values too long for Discord.

    Raises ``Malformed`` when it has another form.
    """
    if not isinstance(answer, list):
        raise Malformed("the answer is no list")
    try:
        return [_choice(one) for one in answer[:_CHOICES_MOST] if not _is_too_long(one)]
    except (ValidationError, KeyError, TypeError) as exc:
        raise Malformed("an entry is neither a text nor {name, value}") from exc


def _is_too_long(entry: Any) -> bool:
    value = entry.get("value") if isinstance(entry, dict) else entry
    return isinstance(value, str) and len(value) > _VALUE_MOST_CHARS


def _choice(entry: Any) -> Choice:
    if isinstance(entry, str):
        entry = {"name": entry, "value": entry}
    name = entry["name"]
    words = Words(**name) if isinstance(name, dict) else Words(en=name, es=name)
    short = Words(en=words.en[:_NAME_MOST_CHARS], es=words.es[:_NAME_MOST_CHARS])
    return Choice(label=short, value=entry["value"])
