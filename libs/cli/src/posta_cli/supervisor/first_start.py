"""The first start of a unit: it becomes ready, or the whole system must not come up half."""

import asyncio
from pathlib import Path

from posta_cli.errors import ConfigurationRefusedError, StartFailedError
from posta_cli.supervisor.log_file import tail
from posta_cli.supervisor.log_line import for_people
from posta_cli.supervisor.unit import Phase, Unit

_LOG_LINES = 8


async def become_ready(unit: Unit, *, tries: int, timeout_s: float, log: Path) -> None:
    """Start the unit and wait until it is ready.

    Raises ConfigurationRefusedError when it exits with EX_CONFIG, StartFailedError when it died
    `tries` times in a row or is not ready after `timeout_s`; both quote the end of `log`.
    """

    def is_settled(seen: Unit) -> bool:
        gave_up = seen.phase is Phase.BACKING_OFF and seen.deaths_in_a_row >= tries
        return gave_up or seen.phase in (Phase.READY, Phase.REFUSED, Phase.STOPPED)

    unit.start()
    try:
        async with asyncio.timeout(timeout_s):
            await unit.until(is_settled)
    except TimeoutError:
        raise StartFailedError(
            f"{unit.name} is not ready after {timeout_s:.0f} s.{_quote(log)}",
            f"Look into {log}; on a very busy machine, try again.",
        ) from None
    if unit.phase is Phase.REFUSED:
        raise ConfigurationRefusedError(
            f"{unit.name} refuses its configuration:{_quote(log)}",
            "Correct what it names, then start again. Nothing is left running.",
        )
    if unit.phase is Phase.BACKING_OFF:
        raise _died(unit, log)


def _died(unit: Unit, log: Path) -> StartFailedError:
    if unit.last_error:
        return StartFailedError(f"{unit.name} cannot start: {unit.last_error}", f"Log: {log}")
    times = "" if unit.deaths_in_a_row == 1 else f" {unit.deaths_in_a_row} times in a row"
    return StartFailedError(
        f"{unit.name} ended{times} while starting (exit {unit.last_exit}):{_quote(log)}",
        f"Look into {log}.",
    )


def _quote(log: Path) -> str:
    """Return the last log lines, indented, for an error message."""
    lines = [for_people(line) for line in tail(log, _LOG_LINES)]
    return "".join(f"\n    {line}" for line in lines) or " It wrote nothing to its log."
