"""A member whose machine's clock is set by ten minutes, while records wait in memory and in a lane."""

import time

import pytest
from support.engine_rig import event, eventually, number_of, result_of, rig, running
from support.logged import logged

from posta.engine.steady_clock import SteadyClock
from posta.errors import Transient

pytestmark = pytest.mark.integration


class Machine:
    """The real clock, and how far somebody has set it."""

    set_by = 0.0

    def wall(self) -> float:
        return time.time() + self.set_by


@pytest.mark.parametrize("jump_s", [600.0, -600.0])
async def test_waiting_records_come_neither_early_nor_never_when_the_clock_is_set(
    kafka, topic_prefix, jump_s
):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        failed: dict[int, float] = {}
        back: dict[int, float] = {}
        waits = {0: 0.6, 1: 1.7}

        async def handler(message):
            number = number_of(message)
            if message.attempt == 1:
                failed[number] = time.monotonic()
                raise Transient("later", retry_after_s=waits[number])
            back[number] = time.monotonic()
            return [result_of(message)]

        machine = Machine()
        await world.feed(*(event(number, key=f"k{number}") for number in waits))
        clock = SteadyClock(wall=machine.wall)
        with logged() as lines:
            async with running(world.engine(handler, clock=clock)):
                await eventually(lambda: len(failed) == 2)
                machine.set_by = jump_s
                await eventually(lambda: len(back) == 2, within_s=30)
                await eventually(lambda: bool(lines["clock_was_set"]))
        for number, wait_s in waits.items():
            assert back[number] - failed[number] >= wait_s, "never early"
