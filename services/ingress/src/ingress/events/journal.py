"""Notes accepted events in PostgreSQL a moment after they were accepted, many in one statement.

No request waits for it. What cannot be noted, because the database is away for long, is only missing
from ``GET /v1/events/{id}`` until notifier takes the event, which notes it itself.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from posta.background import alongside
from posta.errors import Unavailable
from posta.postgres.event_fates import Noted
from posta.tasks import within
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
MOST = 20_000
"""Notes that wait; beyond it the oldest is dropped."""
_GROUP = 500
_GATHER_S = 0.02
_WRITE_S = 5.0
_AWAY_S = 2.0
_LAST_S = 1.5
"""For what is left at the end: a service has to end in time."""


class Register(Protocol):
    """Where notes are written; ``posta.postgres.published_events.PublishedEvents`` or a fake."""

    async def note(self, events: Sequence[Noted]) -> None:
        """Note them all. Raises ``Unavailable``."""


class Journal:
    """The notes of one process."""

    def __init__(self, register: Register | None) -> None:
        self._register = register
        self._waiting: deque[Noted] = deque()
        self._something = asyncio.Event()
        self._writing = asyncio.Lock()

    def note(self, noted: Noted) -> None:
        """Take a note; it is written soon."""
        if self._register is None:
            return
        if len(self._waiting) >= MOST:
            self._waiting.popleft()
            names.EVENT_NOTES_DROPPED.inc()
        self._waiting.append(noted)
        self._something.set()

    async def flush(self) -> None:
        """Write what waits. Raises ``Unavailable`` when it cannot be written."""
        register = self._register
        if register is None:
            return
        async with self._writing:
            while self._waiting:
                group = [self._waiting[number] for number in range(min(_GROUP, len(self._waiting)))]
                try:
                    await within(_WRITE_S, register.note(group))
                except TimeoutError as exc:
                    raise Unavailable("postgres", str(exc)) from exc
                written = set(map(id, group))
                while self._waiting and id(self._waiting[0]) in written:
                    self._waiting.popleft()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write while the block runs, and what is left at its end."""
        try:
            async with alongside(self._write, name="journal"):
                yield
        finally:
            try:
                await within(_LAST_S, self.flush())
            except (Unavailable, TimeoutError) as exc:
                log.warning("events_not_noted", notes=len(self._waiting), reason=str(exc))

    async def _write(self) -> None:
        was_away = False
        while True:
            await self._something.wait()
            await asyncio.sleep(_GATHER_S)
            self._something.clear()
            try:
                await self.flush()
                was_away = False
            except Unavailable as exc:
                if not was_away:
                    log.warning("events_not_noted", notes=len(self._waiting), reason=str(exc))
                was_away = True
                self._something.set()
                await asyncio.sleep(_AWAY_S)
