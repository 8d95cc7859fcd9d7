"""The engine as a service runs it: uvloop, JSON logs at the default level, metrics, traces.

Modes: ``raw`` (the handler is given the record as it is), ``decoded`` (the event), ``flaky``
(decoded; one record in a hundred fails its first attempt), ``unfailing`` (the same, but none does),
``paced`` (raw; only keys other than the hot one count), ``waiting`` (decoded; each record fails once and
rides a lane) and ``idle``.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import uvloop

from posta.collector import settle
from posta.engine.engine import Engine
from posta.engine.message import Message, Publish, RawRecord, as_message, as_raw
from posta.engine.policy import EnginePolicy
from posta.errors import Transient
from posta.kafka.producer import Producer
from posta.settings import KafkaSettings, LogSettings
from posta.telemetry.logs import setup_logging
from posta.telemetry.tracing import setup_tracing
from posta.topics import Group, Topic
from posta_cli.bench.load import HOT_KEY
from posta_cli.bench.memory import resident_mib
from posta_cli.bench.tally import Tally
from posta_cli.bench.task import Task, read_task, write_result

Answer = Iterable[Publish] | None
Handler = Callable[[Any], Awaitable[Answer]]
_ONE_IN = 100
_NEVER = 1 << 62
_SAMPLE_S = 0.5
_READY_POLL_S = 0.02


class Run:
    """One run: the handler of its mode, and what is known at its end."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.done = asyncio.Event()
        self.tally = Tally(task.ends, handler_s=task.handler_s, done=self.done.set)
        self._total = sum(task.ends)
        self._others = 0
        self._window_end = 0.0
        self._late_s: list[float] = []
        self._resident: list[tuple[int, float]] = []
        self._waiting = 0
        self._one_in = _ONE_IN if task.mode == "flaky" else _NEVER
        self._first_attempts = 0
        self._started = 0.0
        self._seen_s = 0.0

    def handler(self) -> Handler:
        """What the engine calls."""
        by_mode: dict[str, Handler] = {
            "raw": self._sleeping if self.task.handler_s else self._instant,
            "idle": self._instant,
            "decoded": self._decoded,
            "flaky": self._flaky,
            "unfailing": self._flaky,
            "paced": self._paced,
            "waiting": self._waiting_once,
        }
        return by_mode[self.task.mode]

    async def watch(self, engine: Engine) -> None:
        """Say when the engine is ready; note what is resident beside what waits, twice a second."""
        while await engine.ready_fault() is not None:  # noqa: ASYNC110 - it is asked, as /readyz asks
            await asyncio.sleep(_READY_POLL_S)
        write_result(f"{self.task.result}.ready", {})
        while True:
            await asyncio.sleep(_SAMPLE_S)
            self._resident.append((self._waiting, round(resident_mib(), 1)))

    def result(self) -> Mapping[str, Any]:
        """The tally, and what only some modes know."""
        late = sorted(self._late_s)
        return {
            **self.tally.result(),
            "seen_s": self._seen_s,
            "window_s": self.task.window_s,
            "others": self._others,
            "early": sum(one < 0 for one in late),
            "late_p99_s": late[min(len(late) - 1, len(late) * 99 // 100)] if late else 0.0,
            "resident": self._resident,
        }

    async def _instant(self, record: RawRecord) -> None:
        self.tally.note(record.partition, record.offset)

    async def _sleeping(self, record: RawRecord) -> None:
        await asyncio.sleep(self.task.handler_s)
        self.tally.note(record.partition, record.offset)

    async def _decoded(self, message: Message[Any]) -> None:
        origin = message.delivery.origin
        self.tally.note(origin.partition, origin.offset)

    async def _flaky(self, message: Message[Any]) -> None:
        origin = message.delivery.origin
        attempt = message.attempt
        if attempt == 1:
            self._started = self._started or time.monotonic()
            self._first_attempts += 1
            if self._first_attempts == self._total:
                self._seen_s = time.monotonic() - self._started
            if origin.offset % self._one_in == self._one_in - 1:
                raise Transient("a failure of the benchmark's own", retry_after_s=self.task.lane_s)
        self.tally.note(origin.partition, origin.offset)

    async def _paced(self, record: RawRecord) -> None:
        await asyncio.sleep(self.task.handler_s)
        now = time.monotonic()
        self._window_end = self._window_end or now + self.task.window_s
        if record.key != HOT_KEY and now < self._window_end:
            self._others += 1
        self.tally.note(record.partition, record.offset)

    async def _waiting_once(self, message: Message[Any]) -> None:
        if message.attempt == 1:
            self._waiting += 1
            raise Transient("not yet", retry_after_s=self.task.lane_s)
        self._late_s.append(time.time() - message.delivery.not_before)
        self._waiting -= 1
        origin = message.delivery.origin
        self.tally.note(origin.partition, origin.offset)


async def consume(task: Task) -> None:
    """Run an engine over the topic, report, and drain it as SIGTERM would."""
    run = Run(task)
    source = Topic(name=task.topic, key="a key", written_by=("bench",), read_by=(task.group,))
    lanes = {"lane_delays_s": (task.lane_s,)} if task.lane_s else {}
    kafka = KafkaSettings(bootstrap_servers=task.bootstrap, partitions=len(task.ends))
    interpret = as_raw if task.mode in {"raw", "paced", "idle"} else as_message
    async with Producer(kafka, client_id="bench") as producer:
        engine = Engine(
            Group(name=task.group, reads=(source,), **lanes),
            run.handler(),
            kafka=kafka,
            producer=producer,
            policy=EnginePolicy(concurrency=task.concurrency),
            interpret=interpret,
        )
        settle()
        stop = asyncio.Event()
        running = asyncio.create_task(engine.run(stop))
        watching = asyncio.create_task(run.watch(engine))
        asyncio.get_running_loop().call_later(task.limit_s, run.done.set)
        ended = asyncio.create_task(run.done.wait())
        await asyncio.wait({running, ended}, return_when=asyncio.FIRST_COMPLETED)
        watching.cancel()
        write_result(task.result, run.result())
        stop.set()
        await running


def main() -> None:
    """Set telemetry up as ``posta.service`` does, and run."""
    log = LogSettings()
    setup_logging(service="bench", version="0", level=log.level, sampled_per_s=log.sampled_per_s)
    provider = setup_tracing(service="bench", version="0")
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(consume(read_task(sys.argv[1:])))
    provider.shutdown()


if __name__ == "__main__":
    main()
