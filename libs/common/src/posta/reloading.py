"""Reads rules again on SIGHUP: a file that is wrong is logged and counted, and changes nothing."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from posta.errors import ConfigurationError
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)


@asynccontextmanager
async def reloading(reload: Callable[[], None]) -> AsyncIterator[None]:
    """Call ``reload`` at each SIGHUP of the block; its ``ConfigurationError`` is said and changes nothing."""

    def on_hangup() -> None:
        try:
            reload()
        except ConfigurationError as exc:
            names.RELOADS.labels("refused").inc()
            log.error("rules_not_reloaded", reason=str(exc))
        else:
            names.RELOADS.labels("ok").inc()
            log.info("rules_reloaded")

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, on_hangup)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
