"""Destinations that were registered a moment ago are found, however lately the registry was read."""

import asyncio

import pytest
from pydantic import SecretStr

from notifier.routing import directory as module
from notifier.routing.directory import Directory
from posta.destinations_sealed import Seal
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


@pytest.mark.parametrize(
    ("hosts", "is_called"),
    [
        pytest.param(frozenset({"127.0.0.1:8090"}), True, id="still allowed"),
        pytest.param(frozenset(), False, id="not allowed any more"),
    ],
)
async def test_a_sealed_url_is_checked_again_before_it_is_called(hosts, is_called):
    """What was allowed when it was registered may not be now: a sealed URL is no way around it."""
    seal = Seal(b"k" * 32)
    url = SecretStr("http://127.0.0.1:8090/api/v10/webhooks/1/t")
    registry = Registry()
    registry.rows.append(
        Registered(
            id="hook", kind="webhook", description="d", place_id="1", sealed_url=seal.close("hook", url)
        )
    )
    directory = Directory({}, registry=registry, seal=seal, hosts=hosts)
    assert (await directory.find("hook") is not None) is is_called
