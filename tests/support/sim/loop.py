"""An asyncio loop without real time, and lives: groups of tasks that stop, go on or die as processes do.

    running ──stop──▶ stopped ──resume──▶ running      (SIGSTOP, SIGCONT: what was due runs late, in order)
       └──────────kill──────────▶ dead                 (SIGKILL: nothing of it ever runs again)

No real time passes: when nothing is ready the clock jumps to the next timer.
"""

import asyncio
import contextvars
import itertools
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")


class Pulse(Enum):
    """Whether what belongs to a life may run."""

    RUNNING = "running"
    STOPPED = "stopped"
    DEAD = "dead"


class Life:
    """One simulated process: every task and callback whose context names it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pulse = Pulse.RUNNING
        self.missed: list[asyncio.Handle] = []
        self.tasks: list[asyncio.Task[Any]] = []

    @property
    def is_running(self) -> bool:
        return self.pulse is Pulse.RUNNING

    def stop(self) -> None:
        self.pulse = Pulse.STOPPED

    def kill(self) -> None:
        self.pulse = Pulse.DEAD


_life: contextvars.ContextVar[Life | None] = contextvars.ContextVar("life", default=None)


def current_life() -> Life | None:
    """The process that the caller belongs to; None: it is the world's."""
    return _life.get()


class Stalled(Exception):
    """Nothing will ever happen again, although something is waited for."""


class _Handle(asyncio.Handle):
    __slots__ = ()

    def _run(self) -> None:
        life = self._context.get(_life)
        if life is None or life.pulse is Pulse.RUNNING:
            super()._run()
        else:
            life.missed.append(self)


class _TimerHandle(asyncio.TimerHandle):
    __slots__ = ()

    def _run(self) -> None:
        life = self._context.get(_life)
        if life is None or life.pulse is Pulse.RUNNING:
            super()._run()
        else:
            life.missed.append(self)


class _Future(asyncio.Future[Any]):
    """Sets of futures (``asyncio.wait`` makes them) are in the order they were made, in every run."""

    def __init__(self, *, loop: "SimLoop") -> None:
        self._hash = next(loop.serial)
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._hash


class _Task(asyncio.Task[Any]):
    """As ``_Future``."""

    def __init__(self, coroutine: Any, *, loop: "SimLoop", **options: Any) -> None:
        self._hash = next(loop.serial)
        super().__init__(coroutine, loop=loop, **options)

    def __hash__(self) -> int:
        return self._hash


class SimLoop(asyncio.BaseEventLoop):
    """Starts at second 0; stands on the parts of ``BaseEventLoop`` that are the same from 3.11 to 3.14."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self.serial = itertools.count()
        self._selector = self
        self._clock_resolution = 1e-9
        self.lives: list[Life] = []
        self.faults: list[str] = []
        """What tasks raised that nobody awaited."""
        self.set_exception_handler(self._note)
        self.set_task_factory(lambda loop, coroutine, **options: _Task(coroutine, loop=loop, **options))

    def time(self) -> float:
        return self._now

    def create_future(self) -> "asyncio.Future[Any]":
        return _Future(loop=self)

    def select(self, timeout: float | None) -> list[Any]:
        """What a selector would wait for; here nothing comes from outside, only time passes."""
        if timeout is None:
            raise Stalled("no timer is left and nothing is ready")
        self._now += max(0.0, timeout)
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        # The base keeps the heap; it is told to run our kind of handle.
        timer = super().call_at(when, callback, *args, context=context)
        timer.__class__ = _TimerHandle
        return timer

    def spawn(self, life: Life, work: Callable[[], Any], *, name: str) -> asyncio.Task[Any]:
        """Run the coroutine that ``work`` makes as a task of ``life``, and all that it starts."""
        if life not in self.lives:
            self.lives.append(life)
        context = contextvars.copy_context()
        context.run(_life.set, life)
        task = self.create_task(context.run(work), name=name, context=context)
        life.tasks.append(task)
        return task

    def resume(self, life: Life) -> None:
        """Let a stopped life go on with what it missed."""
        life.pulse = Pulse.RUNNING
        missed, life.missed = life.missed, []
        self._ready.extend(handle for handle in missed if not handle.cancelled())

    def bury(self) -> None:
        """End every task that is left, so that nothing is destroyed while it is pending."""
        for life in self.lives:
            self.resume(life)
        for _ in range(50):
            left = asyncio.all_tasks(self)
            if not left:
                return
            for task in left:
                task.cancel()
            self.run_until_complete(asyncio.wait(left, timeout=30))
        raise Stalled(f"tasks do not end: {asyncio.all_tasks(self)}")

    def _note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.faults.append(f"{context.get('message')}: {context.get('exception')!r}")


def without_real_time(scenario: Coroutine[Any, Any, T]) -> T:
    """What ``scenario`` returns, run on a ``SimLoop``; a busy machine changes nothing."""
    loop = SimLoop()
    try:
        found = loop.run_until_complete(scenario)
        assert loop.faults == []
        return found
    finally:
        loop.bury()
        loop.close()
