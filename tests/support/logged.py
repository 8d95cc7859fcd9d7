"""What was logged within a block, whichever way logging is set up by the tests before."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from structlog._config import BoundLoggerLazyProxy
from structlog.testing import capture_logs


class Logged:
    """The lines so far; they grow while the block runs."""

    def __init__(self, lines: list[Any]) -> None:
        self._lines = lines

    def __getitem__(self, event: str) -> list[dict[str, Any]]:
        """The fields of each line of that name."""
        return [line for line in self._lines if line["event"] == event]


@contextmanager
def logged() -> Iterator[Logged]:
    """Capture the lines of the block."""
    for module in list(sys.modules.values()):
        log = vars(module).get("log")
        if isinstance(log, BoundLoggerLazyProxy):
            # One that was used before remembers how logging was set up then.
            vars(log).pop("bind", None)
    with capture_logs() as lines:
        yield Logged(lines)
