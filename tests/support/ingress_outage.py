"""Steady traffic at ingress while its servers come and go: what was accepted, and how long each took."""

import asyncio
import itertools
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from support.discord_caller import ask
from support.ingress_world import IngressWorld

from posta.domain.envelope import header
from posta_cli.bench.intake.caller import Line, connect

_PEOPLE = 200
"""So many that each asks once a second at the full rate: one whose answer takes long asks less often."""
_SCRIPTS = 50
_PATIENCE_S = 10.0
_DEFERRED = 5
_numbers = itertools.count()


@dataclass
class Traffic:
    """What ingress said yes to, and how long its answers took."""

    questions: dict[str, list[str]] = field(default_factory=dict)
    """By person: the accepted event ids, in the order of asking."""
    events: set[str] = field(default_factory=set)
    waits_s: list[float] = field(default_factory=list)
    """Of the interactions."""
    seconds: float = 0.0
    """For how long it lasted."""
    refused: int = 0
    unanswered: int = 0

    @property
    def accepted(self) -> set[str]:
        return {one for ids in self.questions.values() for one in ids}

    def slowest_s(self, share: float = 1.0) -> float:
        """What ``share`` of the interactions did not exceed."""
        ordered = sorted(self.waits_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class _Caller:
    """Somebody with a connection of their own, that costs next to nothing: 250 a second share one core."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rpartition(":")[2])
        self._line: Line | None = None

    async def post(self, path: str, content: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
        """Status and JSON of the answer. Raises ``OSError`` or ``TimeoutError`` when there is none."""
        if self._line is None or not self._line.is_open:
            self._line = await connect(self._port)
        lines = [f"POST {path} HTTP/1.1", "host: ingress", f"content-length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            async with asyncio.timeout(_PATIENCE_S):
                answer = await self._line.ask("\r\n".join((*lines, "", "")).encode() + content)
        except BaseException:
            self._line.close()
            raise
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line.close()


@asynccontextmanager
async def traffic(
    world: IngressWorld, *, questions_per_s: float, events_per_s: float
) -> AsyncIterator[Traffic]:
    """Ask and publish at these rates while the block runs; a person asks one thing after the other."""
    seen, stop = Traffic(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for person in range(_PEOPLE):
            pace_s = _PEOPLE / questions_per_s
            tasks.create_task(_person(world, f"8{person:03}", seen, stop, pace_s))
        for _ in range(_SCRIPTS):
            tasks.create_task(_script(world, seen, stop, _SCRIPTS / events_per_s))
        started = time.monotonic()
        try:
            yield seen
        finally:
            seen.seconds = time.monotonic() - started
            stop.set()


async def _person(world: IngressWorld, name: str, seen: Traffic, stop: asyncio.Event, pace_s: float) -> None:
    mine = seen.questions.setdefault(name, [])
    caller = _Caller(world.process.url)

    async def ask_once() -> None:
        body = ask(f"question {next(_numbers)}", person=name)
        content = json.dumps(body).encode()
        started = time.monotonic()
        _, answer = await caller.post("/discord-interactions", content, world.caller.sign(content))
        seen.waits_s.append(time.monotonic() - started)
        if answer.get("type") == _DEFERRED:
            mine.append(f"discord:{body['id']}")
        else:
            seen.refused += 1

    await _on(ask_once, seen, stop, pace_s)
    caller.close()


async def _script(world: IngressWorld, seen: Traffic, stop: asyncio.Event, pace_s: float) -> None:
    caller = _Caller(world.process.url)
    headers = {"content-type": "application/json", "authorization": f"Bearer {world.api_key}"}

    async def publish_once() -> None:
        event = {"type": "backup.done", "id": f"e{next(_numbers)}", "source": "/tests"}
        status, answer = await caller.post("/v1/events", json.dumps(event).encode(), headers)
        if status == httpx.codes.ACCEPTED:
            seen.events.add(answer["id"])
        else:
            seen.refused += 1

    await _on(publish_once, seen, stop, pace_s)
    caller.close()


async def _on(act: Callable[[], Awaitable[None]], seen: Traffic, stop: asyncio.Event, pace_s: float) -> None:
    """Act at this pace, everybody from another moment on; what is not answered counts as that."""
    await asyncio.sleep(pace_s * random.random())
    while not stop.is_set():
        started = time.monotonic()
        try:
            await act()
        except (OSError, TimeoutError):
            seen.unanswered += 1
        await asyncio.sleep(max(0.0, pace_s - (time.monotonic() - started)))


async def assert_all_arrived(world: IngressWorld, seen: Traffic) -> int:
    """Nothing accepted is missing and each person's questions are in order; return how many came twice."""
    questions = await world.read("discord.interactions")
    events = await world.read("events.published")
    ids = [header(record.headers, "ce_id") or "" for record in questions]
    assert seen.accepted <= set(ids)
    assert seen.events <= {header(record.headers, "ce_id") for record in events}
    first_place = {one: place for place, one in reversed(list(enumerate(ids)))}
    for mine in seen.questions.values():
        places = [first_place[one] for one in mine]
        assert places == sorted(places)
    return len(ids) - len(set(ids))
