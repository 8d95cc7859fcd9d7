import asyncio
from collections.abc import Callable

import pytest

from posta_cli.errors import EX_CONFIG
from posta_cli.supervisor.backoff import RestartPolicy
from posta_cli.supervisor.unit import LaunchFailedError, Phase, Unit

pytestmark = pytest.mark.slow

SOON = RestartPolicy(first_delay_s=0.01, max_delay_s=0.02)


class FakeProcess:
    """A process that ends when it is told to."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.exit: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await asyncio.shield(self.exit)

    async def stop(self) -> None:
        self.end(0)

    def kill(self) -> None:
        self.end(-9)

    def end(self, code: int) -> None:
        if not self.exit.done():
            self.exit.set_result(code)


class Launcher:
    """Starts fakes; `failures` of the next launches fail."""

    def __init__(self) -> None:
        self.started: list[FakeProcess] = []
        self.failures = 0
        self.is_ready = True

    async def launch(self) -> FakeProcess:
        if self.failures:
            self.failures -= 1
            raise LaunchFailedError("no room")
        self.started.append(FakeProcess(len(self.started) + 1))
        return self.started[-1]

    async def ready(self) -> bool:
        return self.is_ready

    def unit(self, policy: RestartPolicy = SOON) -> Unit:
        return Unit("one", launch=self.launch, is_ready=self.ready, policy=policy)


async def wait_for(unit: Unit, holds: Callable[[Unit], bool]) -> None:
    async with asyncio.timeout(2):
        await unit.until(holds)


async def ready_again(unit: Unit, launcher: Launcher, starts: int) -> None:
    await wait_for(unit, lambda seen: seen.phase is Phase.READY and len(launcher.started) == starts)


async def test_a_process_that_dies_is_started_again_and_counted() -> None:
    launcher = Launcher()
    unit = launcher.unit()
    unit.start()
    await ready_again(unit, launcher, 1)
    launcher.started[0].end(-9)
    await ready_again(unit, launcher, 2)
    assert (unit.restarts, unit.pid) == (1, 2)
    await unit.stop()


async def test_a_process_is_not_ready_before_it_says_so() -> None:
    launcher = Launcher()
    launcher.is_ready = False
    unit = launcher.unit()
    unit.start()
    await wait_for(unit, lambda _: bool(launcher.started))
    await asyncio.sleep(0.15)
    assert unit.phase is Phase.STARTING
    launcher.is_ready = True
    await ready_again(unit, launcher, 1)
    await unit.stop()


async def test_a_refused_configuration_is_not_tried_again_until_a_person_asks() -> None:
    launcher = Launcher()
    unit = launcher.unit()
    unit.start()
    await ready_again(unit, launcher, 1)
    launcher.started[0].end(EX_CONFIG)
    await wait_for(unit, lambda seen: seen.phase is Phase.REFUSED)
    await asyncio.sleep(0.05)
    assert len(launcher.started) == 1
    async with asyncio.timeout(2):
        await unit.restart()
    assert (unit.phase, unit.restarts) == (Phase.READY, 0)
    await unit.stop()


async def test_a_restart_asked_for_is_not_counted_as_a_death() -> None:
    launcher = Launcher()
    unit = launcher.unit()
    unit.start()
    await ready_again(unit, launcher, 1)
    async with asyncio.timeout(2):
        await unit.restart()
    assert (unit.pid, unit.restarts, unit.deaths_in_a_row) == (2, 0, 0)
    await unit.stop()


async def test_a_restart_asked_for_does_not_wait_for_the_backoff() -> None:
    launcher = Launcher()
    unit = launcher.unit(RestartPolicy(first_delay_s=60, max_delay_s=60))
    unit.start()
    await ready_again(unit, launcher, 1)
    launcher.started[0].end(1)
    await wait_for(unit, lambda seen: seen.phase is Phase.BACKING_OFF)
    async with asyncio.timeout(2):
        await unit.restart()
    assert (unit.phase, unit.restarts) == (Phase.READY, 0)
    await unit.stop()


async def test_a_launch_that_fails_is_tried_again_and_says_why() -> None:
    launcher = Launcher()
    launcher.failures = 2
    unit = launcher.unit()
    seen: list[str] = []
    unit.start()
    await wait_for(unit, lambda now: seen.append(now.last_error) or now.phase is Phase.READY)
    assert "no room" in seen
    assert unit.restarts == 2
    await unit.stop()


@pytest.mark.parametrize("end", [None, 1, EX_CONFIG], ids=["running", "backing off", "refused"])
async def test_nothing_starts_after_a_stop(end: int | None) -> None:
    launcher = Launcher()
    unit = launcher.unit(RestartPolicy(first_delay_s=60, max_delay_s=60))
    unit.start()
    await ready_again(unit, launcher, 1)
    if end is not None:
        launcher.started[0].end(end)
        await wait_for(unit, lambda seen: seen.phase in (Phase.BACKING_OFF, Phase.REFUSED))
    async with asyncio.timeout(2):
        await unit.stop()
    assert (unit.phase, unit.pid, len(launcher.started)) == (Phase.STOPPED, None, 1)


async def test_a_unit_that_was_never_started_stops_at_once() -> None:
    unit = Launcher().unit()
    await unit.stop()
    assert unit.phase is Phase.STOPPED
