"""All of ingress behind an HTTP client, with a publisher in memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.fake_publisher import FakePublisher
from support.ingress_rig import Rig, policy

from ingress.spool import Spool


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Publishes directly: its publisher is up."""
    async with Spool(policy(tmp_path, max_events=5000)) as spool:
        made = Rig(spool, FakePublisher())
        made.switch.to_direct()
        async with made.http:
            yield made
