"""Cuts handlers that run over their time: one timer for all of them, armed only for those that wait.

A handler that returns at once never meets it, so it costs nothing there. The limit is the same for
all, so those that were armed first are over first.
"""

import asyncio


class Watch:
    """Cancels the task of a handler that has run for ``limit_s`` seconds."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._armed: dict[asyncio.Task[object], float] = {}
        self._over: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def arm(self, task: asyncio.Task[object]) -> None:
        """``task`` waits for a handler from now on."""
        loop = asyncio.get_running_loop()
        ends = self._armed[task] = loop.time() + self.limit_s
        if self._timer is None:
            self._timer = loop.call_at(ends, self._look)

    def disarm(self, task: asyncio.Task[object]) -> bool:
        """The handler has ended; whether it was cancelled because its time was over."""
        self._armed.pop(task, None)
        if task not in self._over:
            return False
        self._over.discard(task)
        task.uncancel()
        return True

    def stop(self) -> None:
        """Watch no more."""
        self._armed.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        for task, ends in list(self._armed.items()):
            if ends > loop.time():
                self._timer = loop.call_at(ends, self._look)
                return
            del self._armed[task]
            self._over.add(task)
            task.cancel()
