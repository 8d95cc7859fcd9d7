"""Sees each handling to its end, whatever end that is, and gives its line and its room back.

    what did not end at once ─▶ see_through ─┬─ ended ──▶ line free, room made, time noted
                                             ├─ parked ─▶ waits in memory, keeps its line
                                             └─ sending ─▶ nobody waits: Kafka's word ends it

Rule: each record that a worker took comes to exactly one end here, or ended at once in the worker.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any

from posta.engine.dispatch import Dispatcher
from posta.engine.floodgate import Floodgate
from posta.engine.meters import Meters
from posta.engine.outlet import Abandoned
from posta.engine.partition import Partition, Work
from posta.kafka.producer import TooLarge
from posta.tasks import end
from posta.telemetry.logs import get_logger

log = get_logger(__name__)


class Fate(Enum):
    """What handling did to the record's line."""

    ENDED = "ended"
    """The record is finished, or left for the next owner: its line is free."""
    PARKED = "parked"
    """The record waits in memory and keeps its line."""
    SENDING = "sending"
    """What becomes of it is being published; it keeps its line until that is confirmed, or it is freed."""


Rest = Coroutine[Any, Any, Fate]
"""What is left to do for a record after its first step."""


class Endings:
    """The ends of one engine's records; ``relieve`` is told when a partition may have room again."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        floodgate: Floodgate,
        meters: Meters,
        relieve: Callable[[Partition], None],
    ) -> None:
        self._dispatcher = dispatcher
        self._floodgate = floodgate
        self._meters = meters
        self.relieve = relieve
        self._sending: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """End what still waits for Kafka; its records stay undone."""
        await end(*self._sending)

    def send_off(self, work: Work, rest: Rest) -> Fate:
        """Do ``rest`` in a task of its own, so that no worker waits for Kafka."""
        task = asyncio.create_task(self._see_off(work, rest))
        work.partition.running[work] = task
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return Fate.SENDING

    def when_confirmed(
        self,
        work: Work,
        confirmed: asyncio.Future[None],
        then: Callable[[], None],
        too_large: Callable[[TooLarge], Rest],
    ) -> Fate:
        """Let ``work`` end, after ``then``, when Kafka has ``confirmed`` what becomes of it.

        As ``send_off``, without a task: a record that waits for its next attempt costs no more than it must.
        """

        def ended(confirmed: asyncio.Future[None]) -> None:
            partition = work.partition
            if partition.running.get(work) is confirmed:
                del partition.running[work]
            try:
                confirmed.result()
                then()
            except (Abandoned, asyncio.CancelledError):
                self._meters.ended(partition.topic, "abandoned")
            except TooLarge as exc:
                self.send_off(work, too_large(exc))
                return
            except Exception as exc:  # noqa: BLE001 - told as what it is, a defect of the engine
                self.defect(work, exc)
            self.let_go(work, Fate.ENDED)

        work.partition.running[work] = confirmed
        confirmed.add_done_callback(ended)
        return Fate.SENDING

    def free_line(self, work: Work) -> None:
        """Let the records behind ``work`` start before it has ended; it is in no line any more."""
        self._dispatcher.done(work)
        work.line = None
        self._dispatcher.wake()

    async def see_through(self, work: Work, rest: Rest, task: asyncio.Task[Any]) -> None:
        """Do ``rest`` in ``task``, the current one, and let the record go."""
        partition = work.partition
        partition.running[work] = task
        fate = Fate.ENDED
        try:
            fate = await rest
        except Abandoned:
            self._meters.ended(partition.topic, "abandoned")
        except asyncio.CancelledError:
            # A handler that cleans up may meet both: the partition's end, then the engine's.
            if not partition.is_closed or task.uncancel():
                raise
            # Only this record was cancelled, with its partition; the worker goes on.
            self._meters.ended(partition.topic, "abandoned")
        except Exception as exc:  # noqa: BLE001 - told as what it is, a defect of the engine
            self.defect(work, exc)
        finally:
            if partition.running.get(work) is task:
                del partition.running[work]
            self.let_go(work, fate)

    def defect(self, work: Work, error: Exception) -> None:
        """The engine itself failed: the record stays undone, the oldest pending one; others go on."""
        self._meters.unexpected("engine")
        partition = work.partition
        log.error("engine_defect", exc_info=error, topic=partition.topic, offset=work.record.offset)

    def let_go(self, work: Work, fate: Fate) -> None:
        """``work`` has come to ``fate``."""
        if fate is Fate.SENDING:
            return
        if work.started:
            self._meters.processed_in(work.partition.topic, time.monotonic() - work.started)
            work.started = 0.0
        if work.span is not None:
            work.span.end()
            work.span = None
        self._floodgate.left(work)
        if fate is Fate.ENDED:
            self._dispatcher.done(work)
            # This may be no worker that would look for itself.
            self._dispatcher.wake()
            self.relieve(work.partition)

    async def _see_off(self, work: Work, rest: Rest) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine of a task has one
        await self.see_through(work, rest, task)
