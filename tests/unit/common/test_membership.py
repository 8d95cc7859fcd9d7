"""What the group's client awaits of us is bounded."""

import asyncio
from types import SimpleNamespace

import pytest

from posta.engine import membership
from posta.engine.fencing import Fencing
from posta.settings import KafkaSettings
from posta.topics import Group


async def test_a_release_that_hangs_does_not_hold_the_groups_rebalance_up(monkeypatch):
    """aiokafka awaits the listener without bound, and the group waits for it (A3)."""
    monkeypatch.setattr(membership, "_REBALANCE_MARGIN_S", 0.04)
    told = []
    consumer = SimpleNamespace(subscribe=lambda *, topics, listener: told.append(listener))

    async def hangs():
        await asyncio.Event().wait()

    owner = SimpleNamespace(release=hangs)
    group = Group(name="g", reads=(), lane_delays_s=())
    membership.join(consumer, group, KafkaSettings(), owner, fencing=Fencing("g", None), drain_s=0.0)
    async with asyncio.timeout(5):
        with pytest.raises(TimeoutError):
            await told[0].on_partitions_revoked(())
