"""Which destinations there are now: those of ``destinations.yaml`` and those that were registered.

The registry is read again every few seconds and when an id is not known; while PostgreSQL is away
what was read last holds.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from pydantic import SecretStr

from notifier.discord.endpoint import webhook_of
from notifier.discord.places import ChannelPlace, PersonPlace, Place, WebhookPlace
from posta.background import regularly
from posta.destinations import Destinations
from posta.destinations_sealed import HOSTS_VARIABLE, KEY_VARIABLE, RefusedUrl, Seal, checked_url
from posta.domain.language import Language
from posta.looking import Looks
from posta.postgres.destinations import Disabled, Registered
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
EVERY_S = 5.0
SOONEST_S = 1.0


class Registry(Protocol):
    """``posta.postgres.destinations.DestinationRegistry`` or a fake; every method raises ``Unavailable``."""

    async def all(self) -> list[Registered]:
        """Every registered destination."""
        ...

    async def disabled(self) -> dict[str, Disabled]:
        """The destinations nothing is sent to."""
        ...

    async def disable(self, destination_id: str, *, why: str) -> bool:
        """Send nothing there any more; False when it was so before."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A destination as events are delivered there."""

    id: str
    place: Place
    language: Language = "en"
    owner: str | None = None
    disabled: str | None = None
    """Why nothing is sent there any more."""


class Directory:
    """All destinations of one process; ``registry`` None: only those that were given."""

    def __init__(
        self,
        configured: Mapping[str, Known],
        *,
        default: str | None = None,
        registry: Registry | None = None,
        seal: Seal | None = None,
        hosts: frozenset[str] = frozenset(),
    ) -> None:
        self._configured = dict(configured)
        self._known = dict(configured)
        self._default = default
        self._registry = registry
        self._seal = seal
        self._hosts = hosts
        self._looks = Looks(self._read, soonest_s=SOONEST_S)

    async def find(self, destination_id: str) -> Known | None:
        """The destination of that id; None when there is none. Raises ``Unavailable`` for an unknown one."""
        if destination_id not in self._known and self._registry is not None:
            await self._looks.look_unless(lambda: destination_id in self._known)
        return self._known.get(destination_id)

    def owner_of(self, destination_id: str) -> str | None:
        """Who is told that a destination was disabled: its owner's destination, else the default one."""
        known = self._known.get(destination_id)
        owner = (known.owner if known else None) or self._default
        found = self._known.get(owner) if owner else None
        return None if found is None or found.disabled or owner == destination_id else owner

    async def disable(self, destination_id: str, *, why: str) -> bool:
        """Send nothing there any more; False when that was so before. Raises ``Unavailable``."""
        if self._registry is None:
            return False
        is_new = await self._registry.disable(destination_id, why=why)
        if is_new:
            log.error("destination_disabled", destination=destination_id, why=why)
        known = self._known.get(destination_id)
        if known is not None:
            self._known[destination_id] = replace(known, disabled=why)
        return is_new

    async def refresh(self) -> None:
        """Read the registry. Raises ``Unavailable``."""
        await self._looks.look()

    async def _read(self) -> None:
        if self._registry is None:
            return
        registered, disabled = await self._registry.all(), await self._registry.disabled()
        known = dict(self._configured)
        for one in registered:
            opened = self._opened(one)
            if opened is not None and one.id not in known:
                known[one.id] = opened
        self._known = {
            name: replace(one, disabled=disabled[name].why) if name in disabled else one
            for name, one in known.items()
        }
        names.DESTINATIONS_DISABLED.set(len(disabled))

    def refreshing(self) -> AbstractAsyncContextManager[None]:
        """Keep up with the registry while the block runs."""
        return regularly(self.refresh, name="read destinations", every_s=EVERY_S)

    def _may_call(self, url: SecretStr) -> bool:
        """Whether the URL leads where URLs may lead now, whatever was allowed when it was registered."""
        try:
            checked_url(url.get_secret_value(), more_hosts=self._hosts)
        except RefusedUrl:
            return False
        return True

    def _opened(self, one: Registered) -> Known | None:
        place = self._place(one)
        if place is None:
            log.error(
                "destination_cannot_be_opened",
                destination=one.id,
                advice=f"check {KEY_VARIABLE} and {HOSTS_VARIABLE}",
            )
            return None
        return Known(id=one.id, place=place, language=one.language, owner=one.owner)

    def _place(self, one: Registered) -> Place | None:
        match one.kind:
            case "channel":
                return ChannelPlace(channel_id=one.thread_id or one.place_id)
            case "person":
                return PersonPlace(user_id=one.place_id)
            case "webhook":
                url = self._seal.open(one.id, one.sealed_url or b"") if self._seal else None
                if url is None or not self._may_call(url):
                    return None
                webhook = webhook_of(
                    url.get_secret_value(),
                    channel_id=one.channel_id,
                    guild_id=one.guild_id,
                    thread_id=one.thread_id,
                )
                return WebhookPlace(webhook=webhook, username=one.username, avatar_url=one.avatar_url)


def configured(destinations: Destinations, webhooks: Mapping[str, SecretStr]) -> dict[str, Known]:
    """The destinations of ``destinations.yaml`` with the URLs that the environment holds."""
    return {
        name: Known(
            id=name,
            place=WebhookPlace(
                webhook=webhook_of(
                    url.get_secret_value(), thread_id=destinations.destinations[name].thread_id
                )
            ),
            language=destinations.destinations[name].language,
            owner=destinations.destinations[name].owner,
        )
        for name, url in webhooks.items()
    }
