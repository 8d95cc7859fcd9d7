"""Keeps one process running: starts it, notices that it is ready, starts it again when it dies.

    Waiting --start--> Starting --probe says so--> Ready
                        ^  ^ |                       |
                        |  | +---------- exit -------+
                        |  |             |        |
                        |  +- BackingOff +        + exit 78 (EX_CONFIG)
                        |                            |
                        +---- restart ---- Refused --+        any --stop--> Stopped

A process that exits with EX_CONFIG is left alone: its configuration will not change by itself.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol, TypeAlias

from posta_cli.errors import EX_CONFIG
from posta_cli.supervisor.backoff import RestartPolicy

_PROBE_INTERVAL_S = 0.1


class Running(Protocol):
    """A process that runs."""

    @property
    def pid(self) -> int:
        """Its process id."""

    async def wait(self) -> int:
        """Return its exit code once it has ended."""

    async def stop(self) -> None:
        """End it within its grace; return when it has ended."""

    def kill(self) -> None:
        """End it at once."""


class Phase(StrEnum):
    """Where a unit stands."""

    WAITING = "waiting"
    """What it needs is not there yet."""
    STARTING = "starting"
    """It runs and has not said that it is ready."""
    READY = "ready"
    """It has said so once since its last start."""
    BACKING_OFF = "backing off"
    """It died and waits for its next start."""
    REFUSED = "refused its configuration"
    """It exited with EX_CONFIG and waits for a person to restart it."""
    STOPPED = "stopped"
    """It was asked to end and has."""


class LaunchFailedError(Exception):
    """A process could not even be started; the message says why and what to do."""


Launch: TypeAlias = Callable[[], Awaitable[Running]]
IsReady: TypeAlias = Callable[[], Awaitable[bool]]


class Unit:
    """One supervised process and where it stands; read its public fields, call its verbs."""

    def __init__(
        self,
        name: str,
        *,
        launch: Launch,
        is_ready: IsReady,
        policy: RestartPolicy,
        tell: "Callable[[Unit], None] | None" = None,
    ) -> None:
        self.name = name
        self.phase = Phase.WAITING
        self.restarts = 0
        """Starts the supervisor made by itself after a death (not those a person asked for)."""
        self.deaths_in_a_row = 0
        self.last_exit: int | None = None
        self.last_error = ""
        """Why the last launch failed, when it did."""
        self.next_start_in_s = 0.0
        self._launch, self._is_ready, self._policy = launch, is_ready, policy
        self._tell = tell or (lambda _: None)
        self._running: Running | None = None
        self._asked_again = asyncio.Event()
        self._changed = asyncio.Event()
        self._ending = asyncio.Event()
        self._starts = 0
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._running.pid if self._running else None

    def start(self) -> None:
        """Begin to keep it running; returns at once."""
        if self._keeper is None and not self._ending.is_set():
            self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def until(self, holds: Callable[["Unit"], bool]) -> None:
        """Wait until `holds(self)`; the caller bounds the wait."""
        while not holds(self):
            await self._changed.wait()

    async def restart(self) -> None:
        """End it, start it again now and wait until that start is ready, refused or dead."""
        starts = self._starts
        self._asked_again.set()
        if self._running is not None:
            await self._running.stop()
        settled = (Phase.READY, Phase.REFUSED, Phase.BACKING_OFF, Phase.STOPPED)
        await self.until(lambda _: self._starts > starts and self.phase in settled)

    async def stop(self) -> None:
        """End it for good; return when nothing of it is left."""
        self._ending.set()
        self._asked_again.set()
        if self._running is not None:
            await self._running.stop()
        elif self._keeper is not None:
            self._keeper.cancel()
        if self._keeper is not None:
            await asyncio.wait({self._keeper})
        self._enter(Phase.STOPPED)

    def kill(self) -> None:
        """End it for good, at once."""
        self._ending.set()
        if self._running is not None:
            self._running.kill()
        if self._keeper is not None:
            self._keeper.cancel()

    async def _keep(self) -> None:
        while not self._ending.is_set():
            lived_s = await self._live()
            if self._ending.is_set():
                return
            if self._asked_again.is_set():
                self.deaths_in_a_row = 0
            elif self.last_exit == EX_CONFIG:
                self._enter(Phase.REFUSED)
                await self._asked_again.wait()
            else:
                await self._back_off(lived_s)
            self._asked_again.clear()

    async def _live(self) -> float:
        """Start it and wait for its end; return how long it lived, in seconds."""
        began = time.monotonic()
        self.last_error, self.last_exit = "", None
        self._enter(Phase.STARTING)
        try:
            self._running = await self._launch()
        except LaunchFailedError as exc:
            self._starts += 1
            self.last_error = str(exc)
            return 0.0
        self._starts += 1
        self._asked_again.clear()
        noticing = asyncio.create_task(self._notice_ready(), name=f"probe {self.name}")
        try:
            self.last_exit = await self._running.wait()
        finally:
            noticing.cancel()
            await asyncio.wait({noticing})
            self._running = None
        return time.monotonic() - began

    async def _back_off(self, lived_s: float) -> None:
        self.deaths_in_a_row, self.next_start_in_s = self._policy.after_exit(
            self.deaths_in_a_row, lived_s=lived_s
        )
        self._enter(Phase.BACKING_OFF)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.next_start_in_s):
                await self._asked_again.wait()
        if not self._asked_again.is_set():
            self.restarts += 1

    async def _notice_ready(self) -> None:
        while not await self._is_ready():  # noqa: ASYNC110  another process: nothing sets an event
            await asyncio.sleep(_PROBE_INTERVAL_S)
        self._enter(Phase.READY)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._changed.set()
        self._changed = asyncio.Event()
        self._tell(self)
