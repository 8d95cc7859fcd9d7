"""Which destinations events may name: those of ``destinations.yaml``, and those registered in PostgreSQL.

The registry is read every few seconds, and at once for a name that is not known. While the database is
away what was read last holds, also after a restart: the names (never an address) are kept in a file.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from posta.background import regularly
from posta.destinations import Destinations
from posta.errors import Unavailable
from posta.looking import Looks
from posta.postgres.destinations import Registered
from posta.remembered import Remembered
from posta.tasks import within
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
EVERY_S = 10.0
_SOONEST_S = 1.0
"""Between two looks at the registry, however many unknown names are asked for."""
_WAIT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The names that may be used now."""

    names: frozenset[str]
    default: str | None = None
    """Where an event goes that names none."""


class Registry(Protocol):
    """``posta.postgres.destinations.DestinationRegistry`` or a fake."""

    async def all(self) -> list[Registered]:
        """Every registered destination. Raises ``Unavailable``."""
        ...


class AddressBook:
    """All names that one process knows."""

    def __init__(
        self,
        configured: Destinations,
        registry: Registry | None = None,
        *,
        file: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._configured = configured
        self._registry = registry
        self._memory = Remembered[frozenset[str]](
            file, what="destinations", dump=sorted, load=_names, default=frozenset()
        )
        self._looks = Looks(self._read, soonest_s=_SOONEST_S, clock=clock, sleep=sleep)
        self._registered = self._memory.read()
        self._is_away = False
        """Whether the registry could not be read the last time."""

    @property
    def addresses(self) -> Addresses:
        """The names as far as they are known now."""
        names = frozenset(self._configured.destinations) | self._registered
        return Addresses(names=names, default=self._configured.default)

    async def look_for(self, wanted: Iterable[str]) -> None:
        """Read the registry if one of the names is not known, so that a fresh one works at once.

        All who ask at the same time share a look; after one that is not a second old they wait for the next.
        Raises ``Unavailable`` when a name is not known and the registry cannot be read: it may be there.
        """
        names = frozenset(wanted)
        if self._registry is None or names <= self.addresses.names:
            return
        try:
            await within(_WAIT_S, self._looks.look_unless(lambda: names <= self.addresses.names))
        except TimeoutError:
            self._is_away = True
            log.warning("destinations_not_read", reason="PostgreSQL does not answer")
        if self._is_away and not names <= self.addresses.names:
            raise Unavailable("postgres", "the registry of destinations cannot be read")

    async def refresh(self) -> None:
        """Read the registry; while the database is away what was read last stays."""
        await self._looks.look()

    async def _read(self) -> None:
        if self._registry is None:
            return
        try:
            found = frozenset(one.id for one in await self._registry.all())
        except Unavailable as exc:
            self._is_away = True
            log.debug("destinations_not_read", reason=str(exc))
            return
        self._is_away = False
        if found != self._registered:
            self._registered = found
            self._memory.write(found)

    def kept_current(self) -> AbstractAsyncContextManager[None]:
        """Read the registry now and then while the block runs."""
        return regularly(self.refresh, name="destinations", every_s=EVERY_S)


def _names(entries: Any) -> frozenset[str]:
    return frozenset(str(name) for name in entries)
