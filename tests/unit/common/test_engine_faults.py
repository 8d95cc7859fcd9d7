"""When a process should be restarted: only when its own loop makes no progress."""

import time

import pytest

from posta.engine.engine import Engine
from posta.kafka.producer import Producer
from posta.settings import KafkaSettings
from posta.topics import Group


@pytest.mark.parametrize(("idle_s", "is_stuck"), [(29.0, False), (31.0, True)])
async def test_a_loop_that_has_not_moved_for_half_a_minute_is_a_reason_to_be_restarted(idle_s, is_stuck):
    settings = KafkaSettings()

    async def handler(_message):
        return None

    group = Group(name="stuck", reads=(), lane_delays_s=())
    engine = Engine(group, handler, kafka=settings, producer=Producer(settings, client_id="t"))
    engine._intake.last_progress = time.monotonic() - idle_s
    assert bool(await engine.live_fault()) is is_stuck
