"""Runs a system in the foreground from its first step to its last, whatever ends it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from posta_cli.errors import CommandError
from posta_cli.home import Home
from posta_cli.supervisor import control, log_file
from posta_cli.supervisor.inspection import inspect
from posta_cli.supervisor.progress import Progress
from posta_cli.supervisor.sandbox_commands import register_at_sandbox
from posta_cli.supervisor.surroundings import Surroundings
from posta_cli.supervisor.system import System
from posta_cli.supervisor.unit import Phase, Unit

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOG_CHECK_S = 5.0
_RESTART_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcements:
    """Who is told what while the system runs."""

    write: Callable[[str], None]
    """Gets each line meant for a person."""
    on_ready: Callable[[Mapping[str, Any], float], None]
    """Gets the status document and the seconds the start took, once."""


async def supervise(around: Surroundings, tell: Announcements) -> None:
    """Start the system, keep it running until it is asked to stop, stop it.

    Raises StartFailedError when it does not come up; whatever had started is stopped before.
    """
    progress = Progress(tell.write)
    booted = asyncio.Event()
    system = System(around, tell=lambda unit: _report(unit, booted, tell.write))
    async with (
        _stop_requests(system, around.home, tell.write) as stop,
        control.serving(around.home, _answers(system, stop)),
    ):
        await _boot_and_serve(system, stop, booted, progress, tell)


async def _boot_and_serve(
    system: System,
    stop: asyncio.Event,
    booted: asyncio.Event,
    progress: Progress,
    tell: Announcements,
) -> None:
    watching = asyncio.create_task(_bound_logs(system), name="bound logs")
    try:
        if await _unless(stop, system.boot(progress)):
            booted.set()
            if fault := await register_at_sandbox(system.around):
                tell.write(fault)
            tell.on_ready(await inspect(system), progress.elapsed_s)
            await stop.wait()
    finally:
        watching.cancel()
        booted.clear()
        tell.write("Stopping …")
        began_s = progress.elapsed_s
        await asyncio.shield(system.stop())
        tell.write(f"Stopped after {progress.elapsed_s - began_s:.1f} s.")


async def _unless(stop: asyncio.Event, work: Any) -> bool:
    """Do the work unless `stop` comes first; return whether it was done."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return False
        working.result()
        return True
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.wait({working, stopping})


@asynccontextmanager
async def _stop_requests(
    system: System, home: Home, write: Callable[[str], None]
) -> AsyncIterator[asyncio.Event]:
    """Turn the first signal into an orderly stop and the second into an immediate one."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def hear(number: signal.Signals) -> None:
        if not stop.is_set():
            stop.set()
            return
        write("Ended at once.")
        system.kill()
        home.address_file.unlink(missing_ok=True)
        os._exit(128 + number)

    for number in _SIGNALS:
        loop.add_signal_handler(number, hear, number)
    try:
        yield stop
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _answers(system: System, stop: asyncio.Event) -> dict[str, control.Answer]:
    async def status(_: Mapping[str, Any]) -> dict[str, Any]:
        return {"status": await inspect(system)}

    async def restart(request: Mapping[str, Any]) -> dict[str, Any]:
        await _restart(system, str(request.get("name")))
        return {"status": await inspect(system)}

    async def end(_: Mapping[str, Any]) -> dict[str, Any]:
        stop.set()
        return {}

    return {"status": status, "restart": restart, "stop": end}


async def _restart(system: System, name: str) -> None:
    unit = system.units.get(name)
    if unit is None:
        raise CommandError(
            f"There is no process {name!r} in this system.",
            f"Choose one of {', '.join(system.units)}.",
        )
    log = system.logs[name]
    try:
        async with asyncio.timeout(_RESTART_TIMEOUT_S):
            await unit.restart()
    except TimeoutError:
        raise CommandError(
            f"{name} was restarted and is not ready after {_RESTART_TIMEOUT_S:.0f} s.",
            f"Look into {log}.",
        ) from None
    if unit.phase is not Phase.READY:
        raise CommandError(f"{name} was restarted and is {unit.phase}.", f"Look into {log}.")


def _report(unit: Unit, booted: asyncio.Event, write: Callable[[str], None]) -> None:
    """Write a line when a process dies or comes back; the start has its own lines."""
    if not booted.is_set():
        return
    match unit.phase:
        case Phase.BACKING_OFF:
            why = unit.last_error or f"exit {unit.last_exit}"
            write(f"{unit.name} ended ({why}); it starts again in {unit.next_start_in_s:.1f} s")
        case Phase.REFUSED:
            write(f"{unit.name} refuses its configuration; see `posta logs {unit.name}`")
        case Phase.READY:
            write(f"{unit.name} is ready again (pid {unit.pid})")
        case _:
            return


async def _bound_logs(system: System) -> None:
    while True:
        await asyncio.sleep(_LOG_CHECK_S)
        for log in (*system.logs.values(), system.around.home.log_of("supervisor")):
            await asyncio.to_thread(log_file.cut, log)
