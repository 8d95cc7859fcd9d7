"""Destinations that were registered a moment ago are found, however lately the registry was read."""

import asyncio

from notifier.routing import directory as module
from notifier.routing.directory import Directory
from posta.postgres.destinations import Registered


class Registry:
    def __init__(self):
        self.rows, self.reads = [], 0

    async def all(self):
        rows = list(self.rows)
        self.reads += 1
        await asyncio.sleep(0.01)
        return rows

    async def disabled(self):
        return {}


ROW = Registered(id="fresh", kind="person", description="d", place_id="5")


async def test_a_destination_registered_while_the_registry_was_being_read_is_found(monkeypatch):
    monkeypatch.setattr(module, "SOONEST_S", 0.05)
    registry = Registry()
    directory = Directory({}, registry=registry)
    reading = asyncio.create_task(directory.refresh())
    await asyncio.sleep(0)
    registry.rows.append(ROW)
    assert await directory.find("fresh") is not None
    await reading
    assert registry.reads == 2


async def test_all_who_look_for_what_is_unknown_share_a_look(monkeypatch):
    monkeypatch.setattr(module, "SOONEST_S", 0.05)
    registry = Registry()
    directory = Directory({}, registry=registry)
    await directory.refresh()
    assert await asyncio.gather(*(directory.find(f"no-{n}") for n in range(20))) == [None] * 20
    assert registry.reads == 2
