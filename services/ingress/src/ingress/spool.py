"""Keeps events on the local disk until Kafka has them, shared by many requests at once.

One thread owns the file. It takes all that waits for it into one transaction, so that under load
many requests share one fsync; a request goes on only after the commit that holds its event.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from ingress.spool_file import Contents, Entry, Spooled, SpoolFile, SpoolFull, SpoolPolicy, SpoolUnusable
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_MAX_GROUP = 256
_CLOSE_S = 5.0
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Job(Generic[R]):
    """Something to do with the file within the group's transaction."""

    run: Callable[[SpoolFile], R]
    done: "asyncio.Future[R]"


Outcome = tuple[_Job[Any], Any, Exception | None]


class Spool:
    """The spool as the event loop sees it."""

    def __init__(self, policy: SpoolPolicy) -> None:
        self._policy = policy
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="spool", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._file: SpoolFile | None = None
        self._under_way = 0
        self.contents = Contents()
        self.fault: str | None = None
        """Why the file cannot be used at the moment, or None."""

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        try:
            self._file = await asyncio.to_thread(SpoolFile.open, self._policy)
        except (SpoolFull, SpoolUnusable) as exc:
            # Kafka may be there all the same; each use of the spool tries again.
            self.fault = str(exc)
            log.error("spool_unusable", reason=self.fault)
        else:
            self.contents = self._file.contents
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, _CLOSE_S)
        if self._thread.is_alive():
            log.error("spool_not_closed", waited_s=_CLOSE_S)

    @property
    def depth(self) -> int:
        """Events that wait for Kafka here, those being written included."""
        return self.contents.waiting + self._under_way

    @property
    def full(self) -> bool:
        """Whether one more event would go over the bounds."""
        held = self.contents
        return held.waiting + held.refused >= self._policy.max_events or held.bytes >= self._policy.max_bytes

    @property
    def alive(self) -> bool:
        """Whether the thread runs that everything here depends on."""
        return self._thread.is_alive()

    async def put(self, entry: Entry, *, timeout_s: float) -> None:
        """Keep ``entry``; it is on the disk when this returns.

        An event that is kept already is not kept twice. Raises ``SpoolFull`` at the bounds or on a
        full disk, ``SpoolUnusable`` when the file fails or does not answer within ``timeout_s``; in
        the latter case the event may have been kept all the same.
        """
        started = time.monotonic()
        self._under_way += 1
        try:
            await self._do(lambda file: file.put(entry, now=time.time()), timeout_s=timeout_s)
        finally:
            self._under_way -= 1
            names.SPOOL_WRITE_SECONDS.observe(time.monotonic() - started)

    async def first(self, limit: int, *, max_bytes: int, timeout_s: float) -> Sequence[Spooled]:
        """The oldest waiting records, oldest first, within both bounds but one at least."""
        return await self._do(lambda file: file.first(limit, max_bytes=max_bytes), timeout_s=timeout_s)

    async def remove(self, *, up_to: int, timeout_s: float) -> None:
        """Forget the records up to and with the sequence number ``up_to``."""
        await self._do(lambda file: file.remove(up_to=up_to), timeout_s=timeout_s)

    async def refuse(self, seq: int, *, timeout_s: float) -> None:
        """Put one record aside for an operator."""
        await self._do(lambda file: file.refuse(seq), timeout_s=timeout_s)

    async def _do(self, run: Callable[[SpoolFile], R], *, timeout_s: float) -> R:
        assert self._loop is not None, "the spool is used before it is opened"  # noqa: S101 - our own misuse
        done: asyncio.Future[R] = self._loop.create_future()
        job = _Job(run, done)
        self._jobs.put(job)
        try:
            # Giving up cancels the future, which the thread takes as "do not begin".
            async with asyncio.timeout(timeout_s):
                return await done
        except TimeoutError:
            raise SpoolUnusable(f"the spool did not answer in {timeout_s:g} s") from None

    # --- in the thread ---------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            group, closing = self._next_group()
            if group:
                self._report(self._commit(group))
                self._shrink()
            if closing:
                if self._file is not None:
                    self._file.close()
                return

    def _next_group(self) -> tuple[list[_Job[Any]], bool]:
        """All that waits, up to a bound; and whether the spool is to be closed after it."""
        group: list[_Job[Any]] = []
        job = self._jobs.get()
        while job is not None:
            if not job.done.cancelled():
                group.append(job)
            if len(group) >= _MAX_GROUP:
                return group, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _commit(self, group: list[_Job[Any]]) -> list[Outcome]:
        try:
            file = self._opened()
            outcomes: list[Outcome] = []
            with file.transaction():
                for job in group:
                    try:
                        outcomes.append((job, job.run(file), None))
                    except SpoolFull as exc:
                        outcomes.append((job, None, exc))
        except Exception as exc:  # noqa: BLE001 - whatever it is, every request of the group must learn of it
            failure = self._failed(exc)
            return [(job, None, failure) for job in group]
        self.fault = None
        return outcomes

    def _shrink(self) -> None:
        if self._file is None or self._file.contents.waiting:
            return
        try:
            self._file.shrink()
        except (SpoolFull, SpoolUnusable) as exc:
            # What the group wrote is committed; only the space is not given back yet.
            log.warning("spool_not_shrunk", reason=str(exc))

    def _opened(self) -> SpoolFile:
        if self._file is None:
            self._file = SpoolFile.open(self._policy)
        return self._file

    def _failed(self, error: Exception) -> Exception:
        """Note that the file failed; unless its disk is only full it is opened anew, and so checked."""
        if self.fault is None:
            log.error("spool_unusable", reason=str(error))
        self.fault = str(error)
        if not isinstance(error, SpoolFull) and self._file is not None:
            self._file.close()
            self._file = None
        return error if isinstance(error, SpoolFull | SpoolUnusable) else SpoolUnusable(str(error))

    def _report(self, outcomes: list[Outcome]) -> None:
        contents = self._file.contents if self._file is not None else self.contents
        assert self._loop is not None  # noqa: S101 - set before the thread starts
        self._loop.call_soon_threadsafe(self._resolve, outcomes, contents)

    def _resolve(self, outcomes: list[Outcome], contents: Contents) -> None:
        self.contents = contents
        for job, result, error in outcomes:
            if job.done.done():
                continue
            if error is None:
                job.done.set_result(result)
            else:
                job.done.set_exception(error)
