"""The keys a service accepts, held in memory: those of ``POSTA_API_KEYS`` and those in PostgreSQL.

A request with a known key never waits for the database, and while it is away the keys last read go on being
accepted: they are kept in a file too, so that a restart meanwhile locks nobody out. The price is that
a revocation takes effect within ``refresh_s``, or when the database is back.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from posta.auth import ApiKey, ApiKeys, Principal, digest_of, find_key, holder_of
from posta.background import regularly
from posta.errors import Unavailable
from posta.looking import Looks
from posta.remembered import Remembered
from posta.tasks import within
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
REFRESH_S = 10.0
_SOONEST_S = 1.0
"""Between two looks for keys that are not known, however many of them are tried."""
_WAIT_S = 2.0
"""The longest that a request with an unknown key waits for such a look."""


class KeySource(Protocol):
    """Where keys are read from; ``posta.postgres.api_keys.KeyTable`` or a fake in tests."""

    async def usable(self) -> tuple[ApiKey, ...]:
        """The keys that are accepted now. Raises ``Unavailable``."""

    async def note_used(self, digests: set[bytes]) -> None:
        """Note that these were used. Raises ``Unavailable``."""


class KeyRing:
    """All keys of one process."""

    def __init__(
        self,
        configured: ApiKeys,
        source: KeySource | None,
        *,
        file: Path | None = None,
        refresh_s: float = REFRESH_S,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._configured = configured
        self._source = source
        self._memory = Remembered[tuple[ApiKey, ...]](
            file, what="api_keys", dump=_dump_all, load=_load_all, default=()
        )
        self._refresh_s = refresh_s
        self._clock = clock
        self._stored = self._memory.read()
        self._used: set[bytes] = set()
        self._looks = Looks(self._read, soonest_s=_SOONEST_S, sleep=sleep)
        self._was_away = False

    def authenticate(self, key: str) -> Principal | None:
        """Whose key this is, as far as is known now."""
        if (found := self._configured.authenticate(key)) is not None:
            return found
        found = find_key(self._stored, key, now=self._clock())
        if found is not None:
            self._used.add(digest_of(key))
        return found

    def holds(self, digest: bytes) -> bool:
        """Whether the key with this digest is still accepted, as far as is known now."""
        if self._configured.holds(digest):
            return True
        return holder_of(self._stored, digest, now=self._clock()) is not None

    async def identify(self, key: str) -> Principal | None:
        """Whose key this is; one that is not known is looked for, so that a fresh one works at once."""
        found = self.authenticate(key)
        if found is None and self._source is not None:
            with contextlib.suppress(TimeoutError):
                await within(_WAIT_S, self._looks.look_unless(lambda: self.authenticate(key) is not None))
            found = self.authenticate(key)
        return found

    async def refresh(self) -> None:
        """Read the keys again; while the database is away those last read stay."""
        await self._looks.look()

    async def _read(self) -> None:
        if self._source is None:
            return
        try:
            found = await self._source.usable()
            used, self._used = self._used, set()
            await self._source.note_used(used)
        except Unavailable as exc:
            if not self._was_away:
                log.warning("api_keys_not_refreshed", reason=str(exc), known=len(self._stored))
            self._was_away = True
            return
        self._was_away = False
        if found != self._stored:
            self._stored = found
            self._memory.write(found)

    def kept_current(self) -> AbstractAsyncContextManager[None]:
        """Read the keys now and then while the block runs."""
        return regularly(self.refresh, name="api keys", every_s=self._refresh_s)


def _dump_all(keys: tuple[ApiKey, ...]) -> list[dict[str, Any]]:
    return [_dump(key) for key in keys]


def _load_all(entries: Any) -> tuple[ApiKey, ...]:
    return tuple(_load(entry) for entry in entries)


def _dump(key: ApiKey) -> dict[str, Any]:
    who = key.principal
    return {
        "name": who.name,
        "sha256": key.sha256.hex(),
        "scopes": sorted(who.scopes),
        "sources": list(who.sources),
        "destinations": list(who.destinations),
        "expires_at": key.expires_at,
    }


def _load(entry: dict[str, Any]) -> ApiKey:
    return ApiKey(
        principal=Principal(
            name=entry["name"],
            scopes=frozenset(entry["scopes"]),
            sources=tuple(entry["sources"]),
            destinations=tuple(entry["destinations"]),
        ),
        sha256=bytes.fromhex(entry["sha256"]),
        expires_at=entry["expires_at"],
    )
