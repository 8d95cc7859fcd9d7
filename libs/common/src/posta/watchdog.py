"""Watches from a thread of its own whether the event loop still ticks, and ends the process when it does not.

A loop that is blocked (a call that does not await, an endless loop) answers no probe, renews no
lease and commits nothing, and nothing on the loop can say so. So a thread counts its own wake-ups
since the loop's last tick:

    ticking ──stall_s without a tick──▶ stalled: stacks logged once, counted ──exit_after_s──▶ exit 70
       ▲                                   │
       └───────────── a tick ──────────────┘

Wake-ups are counted, not seconds: a process that was stopped as a whole (SIGSTOP, a suspended
machine) wakes up with one of each and has not stalled. A call that holds the interpreter's lock
stops this thread too; then only the orchestrator's liveness probe is left.
"""

import asyncio
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from posta.settings import WatchdogSettings
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
EX_STALLED = 70
"""EX_SOFTWARE of sysexits.h; no other end of a service has it."""
_TICK_S = 0.5
_MOST_FRAMES = 30


class Watchdog:
    """The judgement: ``wake`` is called each ``tick_s`` by the thread, ``tick`` by the loop."""

    def __init__(
        self,
        settings: WatchdogSettings,
        *,
        stacks: Callable[[], list[str]],
        end: Callable[[int], None] = os._exit,
        tick_s: float = _TICK_S,
    ) -> None:
        self._settings = settings
        self._stacks = stacks
        self._end = end
        self._tick_s = tick_s
        self._missed = 0
        self._told = False

    def tick(self) -> None:
        """The loop ran."""
        missed, self._missed = self._missed, 0
        if self._told:
            self._told = False
            log.warning("event_loop_ticks_again", stalled_s=round(missed * self._tick_s, 1))

    def wake(self) -> None:
        """Look once more; log, count and end as the module says."""
        self._missed += 1
        stalled_s = self._missed * self._tick_s
        if stalled_s >= self._settings.stall_s and not self._told:
            self._told = True
            names.LOOP_STALLS.inc()
            log.error("event_loop_stalled", for_s=round(stalled_s, 1), frames=self._stacks())
        if self._settings.exit_after_s and stalled_s >= self._settings.exit_after_s:
            log.error("event_loop_stalled_exit", for_s=round(stalled_s, 1), exit_code=EX_STALLED)
            sys.stdout.flush()
            self._end(EX_STALLED)


def stack_of(thread_id: int) -> list[str]:
    """The innermost frames of a thread, innermost last: file, line, function; no source and no values."""
    frame: FrameType | None = sys._current_frames().get(thread_id)  # noqa: SLF001 - its documented use
    if frame is None:
        return []
    frames = traceback.extract_stack(frame)[-_MOST_FRAMES:]
    return [f"{'/'.join(f.filename.split('/')[-2:])}:{f.lineno} {f.name}" for f in frames]


@contextmanager
def watching(settings: WatchdogSettings) -> Iterator[None]:
    """Watch the running loop for the block."""
    loop = asyncio.get_running_loop()
    loop_thread = threading.get_ident()
    dog = Watchdog(settings, stacks=lambda: stack_of(loop_thread))
    over = threading.Event()
    handle: asyncio.TimerHandle | None = None

    def tick() -> None:
        nonlocal handle
        dog.tick()
        handle = loop.call_later(_TICK_S, tick)

    def watch() -> None:
        while not over.wait(_TICK_S):
            dog.wake()

    tick()
    threading.Thread(target=watch, name="watchdog", daemon=True).start()
    try:
        yield
    finally:
        over.set()
        if handle is not None:
            handle.cancel()
