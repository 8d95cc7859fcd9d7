"""Steady traffic at ingress while its servers come and go: what was accepted, and how long each took."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from support.discord_caller import ask
from support.ingress_world import IngressWorld

from posta.domain.envelope import header

_PEOPLE = 200
"""So many that each asks once a second at the full rate: one whose answer takes long asks less often."""
_SCRIPTS = 50
_ASKED_MOST = 256
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


@asynccontextmanager
async def traffic(
    world: IngressWorld, *, questions_per_s: float, events_per_s: float
) -> AsyncIterator[Traffic]:
    """Ask and publish at these rates while the block runs; a person asks one thing after the other."""
    seen, stop = Traffic(), asyncio.Event()
    limits = httpx.Limits(max_connections=_ASKED_MOST, keepalive_expiry=2)
    async with httpx.AsyncClient(limits=limits) as client, asyncio.TaskGroup() as tasks:
        for person in range(_PEOPLE):
            pause_s = _PEOPLE / questions_per_s
            tasks.create_task(_person(world, client, f"8{person:03}", seen, stop, pause_s))
        for _ in range(_SCRIPTS):
            tasks.create_task(_script(world, client, seen, stop, _SCRIPTS / events_per_s))
        started = time.monotonic()
        try:
            yield seen
        finally:
            seen.seconds = time.monotonic() - started
            stop.set()


async def _person(
    world: IngressWorld,
    client: httpx.AsyncClient,
    name: str,
    seen: Traffic,
    stop: asyncio.Event,
    pause_s: float,
) -> None:
    mine = seen.questions.setdefault(name, [])
    while not stop.is_set():
        body = ask(f"question {next(_numbers)}", person=name)
        started = time.monotonic()
        response = await _sent(world.interact(client, body), seen)
        if response is not None:
            seen.waits_s.append(time.monotonic() - started)
            if response.json().get("type") == 5:
                mine.append(f"discord:{body['id']}")
            else:
                seen.refused += 1
        await asyncio.sleep(max(0.0, pause_s - (time.monotonic() - started)))


async def _script(
    world: IngressWorld, client: httpx.AsyncClient, seen: Traffic, stop: asyncio.Event, pause_s: float
) -> None:
    while not stop.is_set():
        started = time.monotonic()
        event = {"type": "backup.done", "id": f"e{next(_numbers)}", "source": "/tests"}
        response = await _sent(world.publish(client, event), seen)
        if response is not None and response.status_code == httpx.codes.ACCEPTED:
            seen.events.add(response.json()["id"])
        elif response is not None:
            seen.refused += 1
        await asyncio.sleep(max(0.0, pause_s - (time.monotonic() - started)))


async def _sent(call: Awaitable[httpx.Response], seen: Traffic) -> httpx.Response | None:
    try:
        return await call
    except httpx.TransportError:
        seen.unanswered += 1
        return None


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
