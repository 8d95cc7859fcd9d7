"""Decides how often people may ask: by the shared windows, or by this process's own while those are away.

    shared --PostgreSQL fails or is slow--> alone --retry_s later, PostgreSQL answers--> shared

Requests that arrive while a question to PostgreSQL is under way go with the next one together. A
person is never kept waiting by it longer than ``budget_s``, and nobody is refused because it is away.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from ingress.limits.memory import MemoryWindows
from ingress.limits.window import Quota, Request
from posta.errors import Unavailable
from posta.tasks import end, within
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_BATCH_MOST = 200
_BUDGET_S = 0.1
_RETRY_S = 2.0


class SharedWindows(Protocol):
    """Sliding windows of all instances; ``PostgresWindows``, or a fake in tests."""

    async def take(self, requests: Sequence[Request]) -> list[Quota | None]:
        """Count each request, or name the quota that refuses it. Raises ``Unavailable``."""

    async def active(self) -> int:
        """How many keys had a hit within their window. Raises ``Unavailable``."""


class Governor:
    """Lets requests through or names what refuses them."""

    def __init__(
        self,
        shared: SharedWindows | None,
        *,
        budget_s: float = _BUDGET_S,
        retry_s: float = _RETRY_S,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shared
        self._own = MemoryWindows()
        self._budget_s = budget_s
        self._retry_s = retry_s
        self._clock = clock
        self._monotonic = monotonic
        self._waiting: list[tuple[Request, asyncio.Future[Quota | None]]] = []
        self._asking: asyncio.Task[None] | None = None
        self._alone_until: float | None = None
        self._is_alone = shared is None

    @property
    def memory_fallback(self) -> bool:
        """Whether this process counts for itself alone at the moment."""
        return self._is_alone

    async def admit(self, request: Request) -> Quota | None:
        """Count ``request`` and let it through (None), or name the quota that is used up."""
        if not request:
            return None
        if self._shared is None or self._keeps_away():
            return self._alone([request])[0]
        verdict: asyncio.Future[Quota | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, verdict))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(self._shared), name="governor")
        return await verdict

    async def active_keys(self) -> int:
        """How many keys had a hit within their window, as far as is known now."""
        if self._shared is not None and not self._keeps_away():
            try:
                return await within(self._budget_s, self._shared.active())
            except (TimeoutError, Unavailable) as exc:
                self._leave(exc)
        return self._own.active(now=self._clock())

    async def close(self) -> None:
        """End what is under way; who still waits is let through by this process's own windows."""
        if self._asking is not None:
            await end(self._asking)
        self._answer_alone(self._waiting)
        self._waiting = []

    def _keeps_away(self) -> bool:
        return self._alone_until is not None and self._monotonic() < self._alone_until

    async def _ask(self, shared: SharedWindows) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_BATCH_MOST], self._waiting[_BATCH_MOST:]
                await self._ask_for(shared, batch)
        finally:
            self._asking = None

    async def _ask_for(
        self, shared: SharedWindows, batch: list[tuple[Request, "asyncio.Future[Quota | None]"]]
    ) -> None:
        if self._keeps_away():
            self._answer_alone(batch)
            return
        try:
            verdicts = await within(self._budget_s, shared.take([request for request, _ in batch]))
        except (TimeoutError, Unavailable) as exc:
            self._leave(exc)
            self._answer_alone(batch)
            return
        except BaseException:
            self._answer_alone(batch)
            raise
        self._come_back()
        # Noted here too, so that the windows are not empty when PostgreSQL goes away.
        self._own.take([request for request, _ in batch], now=self._clock())
        _answer(batch, verdicts)

    def _alone(self, requests: Sequence[Request]) -> list[Quota | None]:
        return self._own.take(requests, now=self._clock())

    def _answer_alone(self, batch: list[tuple[Request, "asyncio.Future[Quota | None]"]]) -> None:
        _answer(batch, self._alone([request for request, _ in batch]))

    def _leave(self, error: Exception) -> None:
        if not self._is_alone:
            log.warning("governor_counts_alone", reason=str(error) or type(error).__name__)
        self._is_alone = True
        self._alone_until = self._monotonic() + self._retry_s
        names.GOVERNOR_ALONE.set(1)

    def _come_back(self) -> None:
        if self._is_alone:
            log.info("governor_counts_with_the_others")
        self._is_alone = False
        self._alone_until = None
        names.GOVERNOR_ALONE.set(0)


def _answer(
    batch: list[tuple[Request, "asyncio.Future[Quota | None]"]], verdicts: Sequence[Quota | None]
) -> None:
    for (_, waiting), verdict in zip(batch, verdicts, strict=True):
        if not waiting.done():
            waiting.set_result(verdict)
