"""Runs a service: settings, logs, traces, signals, exit code.

    SIGTERM or SIGINT once: the stop event is set, the service drains within its grace period
    a second time:          the process ends at once, with code 130
    grace period over:      the process ends at once, with code 1

Exit codes: 0 drained, 1 failed or not drained in time, 70 (EX_SOFTWARE) the event loop was blocked (see
``posta.watchdog``), 78 (EX_CONFIG) wrong configuration.
"""

import asyncio
import importlib.util
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import NoReturn, TypeVar

from posta.earlier_names import Adopted, adopt
from posta.errors import ConfigurationError
from posta.settings import ServiceSettings, load
from posta.telemetry.logs import get_logger, setup_logging
from posta.telemetry.tracing import setup_tracing
from posta.version import service_version
from posta.watchdog import watching

EX_CONFIG = 78
_KILLED = 130
log = get_logger(__name__)
S = TypeVar("S", bound=ServiceSettings)
Serve = Callable[[S, asyncio.Event], Awaitable[None]]
"""Opens everything the service has as one ``async with`` and returns after ``stop`` is set."""


def run(name: str, settings: type[S], serve: Serve[S]) -> NoReturn:
    """Run the service ``name`` until it is told to stop, then exit with the code of the module's docs."""
    adopted = adopt(os.environ)
    _know_what_is_absent()
    try:
        loaded = load(settings)
        setup_logging(
            service=name,
            version=service_version(),
            level=loaded.log.level,
            sampled_per_s=loaded.log.sampled_per_s,
        )
        _tell(adopted)
        provider = setup_tracing(service=name, version=service_version())
        code = _loop_runner().run(_supervise(loaded, serve))
        provider.shutdown()
    except ConfigurationError as exc:
        sys.stderr.write(f"{name}: configuration error: {exc}\n")
        code = EX_CONFIG
    sys.stdout.flush()
    # Threads of foreign libraries may linger; nothing of ours is left to do.
    os._exit(code)


def _know_what_is_absent() -> None:
    """Keep httpcore, which looks for this module several times a call, from searching the disk each time."""
    if importlib.util.find_spec("sniffio") is None:
        # Python's way to say that it is not there; the search was 7 % of notifier's time.
        sys.modules["sniffio"] = None  # type: ignore[assignment]


def _tell(adopted: Iterable[Adopted]) -> None:
    for one in adopted:
        log.warning("earlier_variable_name", name=one.name, means=one.means, overruled=one.is_overruled)


def _loop_runner() -> asyncio.Runner:
    if sys.platform == "win32":
        return asyncio.Runner()
    import uvloop  # noqa: PLC0415 - does not exist on Windows

    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


async def _supervise(settings: S, serve: Serve[S]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(_KILLED)
        log.info("stopping", signal=signal.Signals(number).name, grace_s=settings.shutdown.grace_s)
        stop.set()
        loop.call_later(settings.shutdown.grace_s, _out_of_time)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    try:
        with watching(settings.watchdog):
            await serve(settings, stop)
    except ConfigurationError:
        raise
    except Exception:
        log.exception("service_failed")
        return 1
    log.info("stopped")
    return 0


def _out_of_time() -> None:
    log.error("not_drained_in_time")
    sys.stdout.flush()
    os._exit(1)
