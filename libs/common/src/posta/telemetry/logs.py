"""Structured logs: one JSON object per line, an event name plus fields, the trace's id on each.

Every text passes through ``posta.domain.redaction``; bodies and tokens are never logged.
"""

import contextlib
import json
import logging
import sys
from typing import Any

import structlog

from posta.domain.redaction import redact
from posta.telemetry.sampling import Sampling
from posta.telemetry.tracing import current_ids

_SPARING_S = 10.0
_QUIET = ("httpx", "httpcore", "aiokafka", "uvicorn.access", "uvicorn.error", "asyncio", "kafka")
"""httpx logs whole URLs at INFO, and a webhook's URL is its secret; the others repeat what we log."""


def setup_logging(*, service: str, version: str, level: str, sampled_per_s: int = 0) -> None:
    """Send all logs of the process, ours and the libraries', to stdout as JSON lines.

    Of our own, ``sampled_per_s`` with one event name are written in full each second; 0: all.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _redact_texts,
        # What follows is ours and holds no secret.
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_constant(service=service, version=version),
        _add_trace,
    ]
    # Our own lines do not take the way through the standard library's logging: a third of the cost,
    # and next to nothing for a line below the level.
    sampling = [Sampling(sampled_per_s)] if sampled_per_s else []
    structlog.configure(
        processors=[*sampling, structlog.stdlib.add_logger_name, *shared, _as_json],
        logger_factory=_Named,
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        cache_logger_on_first_use=True,
    )
    _send_foreign_lines_through(shared, threshold)


class _Named(structlog.WriteLogger):
    """Writes lines to stdout, and knows whose they are, as ``add_logger_name`` wants it."""

    def __init__(self, name: str = "") -> None:
        super().__init__(sys.stdout)
        self.name = name

    def msg(self, message: str) -> None:
        """Write a line; where nobody can take it (disk full, pipe closed) the work goes on without."""
        with contextlib.suppress(OSError, ValueError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


def _send_foreign_lines_through(shared: list[structlog.typing.Processor], threshold: int) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(Sparing())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.ExtraAdder(),
                structlog.stdlib.add_logger_name,
                *shared,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _as_json,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class Sparing(logging.Filter):
    """Lets each place in aiokafka speak once in ten seconds: without a broker it says 20 lines a second."""

    def __init__(self) -> None:
        super().__init__()
        self._spoke: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is let through."""
        if not record.name.startswith("aiokafka"):
            return True
        place = (record.name, record.lineno)
        if record.created - self._spoke.get(place, 0.0) < _SPARING_S:
            return False
        self._spoke[place] = record.created
        return True


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a module: ``log.info("event_name", field=value)``."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger


def _add_constant(**fields: str) -> structlog.typing.Processor:
    def add(_logger: Any, _method: str, event: structlog.typing.EventDict) -> Any:
        event.update(fields)
        return event

    return add


def _add_trace(_logger: Any, _method: str, event: structlog.typing.EventDict) -> Any:
    ids = current_ids()
    if ids is not None:
        event.setdefault("trace_id", ids[0])
        event.setdefault("span_id", ids[1])
    return event


def _redact_texts(_logger: Any, _method: str, event: structlog.typing.EventDict) -> Any:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = redact(value)
    return event


# Made once: json.dumps makes one for each call that has a default.
_ENCODER = json.JSONEncoder(default=repr)


def _as_json(_logger: Any, _method: str, event: structlog.typing.EventDict) -> str:
    return _ENCODER.encode(event)
