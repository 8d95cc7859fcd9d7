"""A full mailbox under a provider's limits, in simulated time: llm-workers with an engine's gate around each.

The real handler, asker, purses and gate; in memory are the book, the answers and the provider, which counts
strictly: calls and tokens of every sliding window, and refuses with 429 what is too much. The stand-in
for the engine keeps what the engine promises: so many records in hand, a closed gate holds all of them,
``NotNow`` holds one; and as the engine's workers wake one another, it starts one question after the other.
"""

import asyncio
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.llm_asking import Worker
from support.questions import email_question, message_of
from support.sim.loop import without_real_time

from llm_worker.asking.gate import RoomGate
from llm_worker.budget.books import Visited
from llm_worker.fakes import FakeBooks, FakeTable
from llm_worker.providers.completion import Completion, Failed, Outcome
from llm_worker.providers.port import Request, Result
from llm_worker.providers.told import LimitTold, Told
from posta.errors import Failure, NotNow, Unavailable

_IN_HAND = 64
_TURNS_APART = 2
"""Of the loop, between two questions that begin; no time passes."""
_TOKEN = re.compile(r"\w{1,4}|[^\w\s]")
_FRAME_TOKENS = 4
_MODELS = """
providers: {{one: {{base_url: http://one.example/v1}}}}
models:
  a: {{provider: one, name: a, max_tokens: 150, limits: {{minute_s: {minute_s}, jitter_s: {jitter_s}}}}}
routes: [{{name: all, choices: [{{model: a}}]}}]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the provider allows in a window, and how fast everything is (seconds)."""

    rpm: int | None = None
    tpm: int | None = None
    minute_s: float = 60.0
    think_s: float = 1.0
    way_s: float = 0.05
    """The longest way to the provider; each call draws its own."""
    visit_s: float = 0.005
    """A visit to the book."""
    prepare_s: float = 0.005
    """What is looked up for a prompt."""
    slack_share: float = 0.01
    seed: int = 1


@dataclass(slots=True)
class StrictProvider:
    """Counts in sliding windows, by a tokenizer of its own."""

    world: World
    chance: random.Random
    let_through: list[tuple[float, int]] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    async def ask(self, request: Request) -> Result:
        """See ``llm_worker.providers.port.Provider``."""
        loop, world = asyncio.get_running_loop(), self.world
        await asyncio.sleep(self.chance.uniform(0, world.way_s))
        now = loop.time()
        tokens_in = sum(_FRAME_TOKENS + len(_TOKEN.findall(m["content"])) for m in request.prompt.messages)
        tokens_out = self.chance.randint(60, 130)
        window = [tokens for at, tokens in self.let_through if at > now - world.minute_s]
        used = sum(window) + tokens_in + tokens_out
        if (world.tpm is not None and used > world.tpm) or (
            world.rpm is not None and len(window) >= world.rpm
        ):
            self.refused.append(now)
            wait_s = world.minute_s / 6
            told = Told(
                retry_after_s=wait_s,
                limits=(LimitTold(window="rpm", limit=world.rpm),) if world.rpm else (),
            )
            return Result(
                verdict=Failed(outcome=Outcome.THROTTLED, failure=NotNow("429", wait_s=wait_s)), told=told
            )
        self.let_through.append((now, tokens_in + tokens_out))
        told = Told()
        if world.tpm is not None:
            limit = LimitTold(
                window="tpm", limit=world.tpm, remaining=world.tpm - used, reset_s=world.minute_s
            )
            told = Told(limits=(limit,))
        await asyncio.sleep(world.think_s)
        verdict = Completion(text="An answer.", model="m", tokens_in=tokens_in, tokens_out=tokens_out)
        return Result(verdict=verdict, told=told, seconds=world.think_s)


class SlowBooks(FakeBooks):
    """A visit takes its time, and one at a time has the book."""

    def __init__(self, clock: Any, visit_s: float) -> None:
        super().__init__(clock)
        self._visit_s = visit_s
        self._held = asyncio.Lock()

    async def visit(self, *args: Any, **fields: Any) -> Visited:
        """See ``llm_worker.budget.books.Books``."""
        async with self._held:
            await asyncio.sleep(self._visit_s)
            return await super().visit(*args, **fields)


class Process:
    """One worker process: its handler, and the engine around it."""

    def __init__(self, worker: Worker, gate: RoomGate, backlog: Iterator[Any], world: World) -> None:
        self.worker = worker
        self._backlog = backlog
        self._world = world
        self._open = asyncio.Event()
        self._open.set()
        loop = asyncio.get_running_loop()
        self._gate = gate.gate
        self._probing: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self.waits: list[tuple[int, float]] = []
        self._begun = loop.time()

    async def run(self) -> None:
        """Answer until nothing is left."""
        async with self.worker.purses.running(), asyncio.TaskGroup() as group:
            for _ in range(_IN_HAND):
                group.create_task(self._slot())

    async def _slot(self) -> None:
        for event in self._backlog:
            await self._answer(event)

    async def _answer(self, event: Any) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._open.wait()
            await asyncio.sleep(self._world.prepare_s)
            async with self._starting:
                for _ in range(_TURNS_APART):
                    await asyncio.sleep(0)
            try:
                await self.worker.handler.handle(message_of(event))
            except Unavailable:
                self._close()
            except NotNow as exc:
                await asyncio.sleep(exc.wait_s)
            else:
                self.waits.append((event.data.uid, loop.time() - self._begun))
                return

    def _close(self) -> None:
        self._open.clear()
        if self._probing is None or self._probing.done():
            self._probing = asyncio.create_task(self._reopen())

    async def _reopen(self) -> None:
        while True:
            await asyncio.sleep(self._gate.interval_s)
            try:
                async with asyncio.timeout(5):
                    await self._gate.probe()
            except (Failure, TimeoutError):
                continue
            self._open.set()
            return


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a run came to."""

    calls: Sequence[tuple[float, int]]
    """When each was let through, and its tokens."""
    refused: Sequence[float]
    waits: dict[int, float]
    """How long each question waited, by its number."""


def answered(world: World, texts: Sequence[str], *, workers: int = 2) -> Answered:
    """All questions answered by so many workers."""
    return without_real_time(_answered(world, texts, workers))


async def _answered(world: World, texts: Sequence[str], workers: int) -> Answered:
    loop = asyncio.get_running_loop()
    chance = random.Random(world.seed)
    events = [email_question(n, text=text) for n, text in enumerate(texts)]
    books, table, provider = SlowBooks(loop.time, world.visit_s), FakeTable(), StrictProvider(world, chance)
    backlog = iter(events)
    processes: list[Process] = []
    gates: list[RoomGate] = []
    for number in range(workers):
        worker = Worker(
            text=_MODELS.format(minute_s=world.minute_s, jitter_s=world.minute_s * world.slack_share),
            clock=loop.time,
            table=table,
            books=books,
            owner=f"w{number}",
            look_left_s=lambda number=number: gates[number].look_left_s(),
        )
        gates.append(RoomGate(worker.purses, monotonic=loop.time))
        worker.asker.use({"a": provider})
        processes.append(Process(worker, gates[number], backlog, world))
    await asyncio.gather(*(process.run() for process in processes))
    return Answered(
        calls=provider.let_through,
        refused=provider.refused,
        waits={uid: wait for process in processes for uid, wait in process.waits},
    )
