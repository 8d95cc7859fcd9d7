"""What a person sees while the system starts: a line for each step, with the time it took."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

_NAME_WIDTH = 14
_REMIND_EVERY_S = 10.0


class Progress:
    """The steps of one start; `write` gets each finished line."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._began_s = time.monotonic()
        self._open: dict[str, float] = {}

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start began."""
        return time.monotonic() - self._began_s

    def say(self, line: str) -> None:
        """Write a line that is no step."""
        self._write(line)

    @asynccontextmanager
    async def step(self, name: str, detail: Callable[[], str] | None = None) -> AsyncIterator[None]:
        """Time what happens inside; the line says how it went and, if well, `detail()`."""
        began_s = self._open[name] = time.monotonic()
        mark, words = "✗", ""
        try:
            yield
            mark, words = "✓", detail() if detail else ""
        except asyncio.CancelledError:
            mark = "-"
            raise
        finally:
            del self._open[name]
            took_s = time.monotonic() - began_s
            self._write(f"  {mark} {name:<{_NAME_WIDTH}} {took_s:5.1f} s  {words}".rstrip())

    @asynccontextmanager
    async def reminding(self) -> AsyncIterator[None]:
        """While inside, say every 10 s which steps are still under way."""
        task = asyncio.create_task(self._remind(), name="progress")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _remind(self) -> None:
        while True:
            await asyncio.sleep(_REMIND_EVERY_S)
            if self._open:
                self._write(f"  … {self.elapsed_s:.0f} s: still at {', '.join(self._open)}")
