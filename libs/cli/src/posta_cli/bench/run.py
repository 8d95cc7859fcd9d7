"""Runs scenarios on an embedded Kafka: every contender in turn, and that again, in one go.

Contenders take turns so that what disturbs the machine for a minute disturbs all of them, and each
round begins with another one.
"""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from posta_cli.bench.contenders import Programs, environment
from posta_cli.bench.feed import feed
from posta_cli.bench.figures import Figures, spread
from posta_cli.bench.load import Load, ends
from posta_cli.bench.process import run_process
from posta_cli.bench.report import Outcome
from posta_cli.bench.scenario import Entrant, Scenario
from posta_cli.bench.task import Result, Task
from posta_cli.bench.topics import existing, group_topics, topic
from posta_sandbox.embedded.kafka import EmbeddedKafka

PARTITIONS = 8
_START_AND_STOP_S = 60.0
_READY_POLL_S = 0.05
_HEAP_MB = 512
_THOUSAND = 1000

Say = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class Bench:
    """Where runs take place."""

    bootstrap: str
    folder: Path
    programs: Programs
    rounds: int
    say: Say
    """Told about each run as it ends."""
    numbers: Iterator[int] = field(default_factory=itertools.count)

    async def measure(self, scenario: Scenario) -> Outcome:
        """Run one scenario to its end."""
        missing = {one.name: why for one in scenario.peers if (why := self.programs.missing(one.program))}
        entrants = [one for one in scenario.entrants if one.name not in missing]
        results: dict[str, list[Result]] = defaultdict(list)
        async with AsyncExitStack() as stack:
            written = await self._write_ahead(scenario, entrants, stack)
            for number in range(self.rounds):
                first = number % len(entrants)
                for entrant in entrants[first:] + entrants[:first]:
                    result = await self._run(scenario, entrant, written.get(entrant.load))
                    results[entrant.name].append(result)
                    self.say(_line(scenario, entrant, result))
        return _outcome(scenario, entrants, results, missing)

    async def _write_ahead(
        self, scenario: Scenario, entrants: Sequence[Entrant], stack: AsyncExitStack
    ) -> Mapping[Load, str]:
        """Write what is not written while a contender runs; the contenders share it."""
        written: dict[Load, str] = {}
        for load in dict.fromkeys(one.load for one in entrants if not one.load.rate):
            name = f"bench.{scenario.name}.{next(self.numbers)}"
            await stack.enter_async_context(existing(self.bootstrap, PARTITIONS, [topic(name)]))
            await feed(self.bootstrap, name, load, PARTITIONS)
            written[load] = name
        return written

    async def _run(self, scenario: Scenario, entrant: Entrant, written: str | None) -> Result:
        group = f"bench-{scenario.name}-{next(self.numbers)}"
        name = written or f"{group}.source"
        topics = [*group_topics(group, entrant.lane_s), *([] if written else [topic(name)])]
        task = Task(
            bootstrap=self.bootstrap,
            topic=name,
            group=group,
            ends=ends(entrant.load, PARTITIONS),
            result=str(self.folder / f"{group}.json"),
            mode=entrant.mode,
            concurrency=entrant.concurrency,
            handler_s=entrant.handler_s,
            limit_s=entrant.limit_s,
            lane_s=entrant.lane_s,
            window_s=entrant.load.duration_s,
        )
        async with existing(self.bootstrap, PARTITIONS, topics):
            async with asyncio.TaskGroup() as tasks:
                if not written:
                    tasks.create_task(self._feed_when_ready(task, entrant.load))
                spawned_at = time.time()
                running = tasks.create_task(self._process(task, entrant))
            return {**running.result(), "spawned_at": spawned_at}

    async def _process(self, task: Task, entrant: Entrant) -> Result:
        return await run_process(
            self.programs.argv(entrant.program, task),
            env=environment(),
            result=Path(task.result),
            output=self.folder / f"{task.group}.log",
            timeout_s=task.limit_s + _START_AND_STOP_S,
        )

    async def _feed_when_ready(self, task: Task, load: Load) -> None:
        ready = Path(f"{task.result}.ready")
        async with asyncio.timeout(_START_AND_STOP_S):
            while not ready.exists():  # noqa: ASYNC110, ASYNC240 - one stat of what another process writes
                await asyncio.sleep(_READY_POLL_S)
        await feed(self.bootstrap, task.topic, load, PARTITIONS)


@asynccontextmanager
async def broker(folder: Path) -> AsyncIterator[str]:
    """An embedded Kafka for the block; its address."""
    async with EmbeddedKafka(folder / "kafka", heap_mb=_HEAP_MB) as kafka:
        yield kafka.bootstrap_servers


def _outcome(
    scenario: Scenario,
    entrants: Sequence[Entrant],
    results: Mapping[str, Sequence[Result]],
    missing: Mapping[str, str],
) -> Outcome:
    figures = {one.name: _figures(scenario, one, results[one.name]) for one in entrants}
    ours = results[scenario.ours.name]
    return Outcome(
        name=scenario.name,
        title=scenario.title,
        unit=scenario.unit,
        targets=scenario.targets,
        ours=figures.pop(scenario.ours.name),
        peers=figures,
        left_out=missing,
        notes={
            name: spread([measure(result) for result in ours]) for name, measure in scenario.notes.items()
        },
    )


def _figures(scenario: Scenario, entrant: Entrant, results: Sequence[Result]) -> Figures:
    cpu = [_THOUSAND * one["cpu_s"] / one["handled"] for one in results if one["seconds"] > 0]
    return Figures(
        value=spread([scenario.value(result) for result in results]),
        cpu_s_per_1000=spread(cpu) if cpu else None,
        peak_mib=spread([result["peak_mib"] for result in results]),
        handled=tuple(result["handled"] for result in results),
        complete=all(result["complete"] for result in results) if entrant.finishes else None,
    )


def _line(scenario: Scenario, entrant: Entrant, result: Result) -> str:
    value = scenario.value(result)
    return (
        f"{scenario.name:<9} {entrant.name:<21} {value:>12,.3f} {scenario.unit}"
        f"   {result['handled']} handled in {result['seconds']:.1f} s, peak {result['peak_mib']:.0f} MiB"
    )
