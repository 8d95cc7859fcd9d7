"""A small JSON file of what a process knew last: a restart while the database is away starts from it.

Its loss costs nothing while the database is there, so neither a damaged nor an unwritable one stops anything.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from posta.telemetry.logs import get_logger

log = get_logger(__name__)
T = TypeVar("T")


class Remembered(Generic[T]):
    """What one file holds; readable by its owner only. Without a ``file`` nothing is kept."""

    def __init__(
        self,
        file: Path | None,
        *,
        what: str,
        dump: Callable[[T], Any],
        load: Callable[[Any], T],
        default: T,
    ) -> None:
        """``dump`` makes JSON of a value, ``load`` takes it back; ``what`` names it in the log."""
        self._file = file
        self._event = f"{what}_not_remembered"
        self._dump = dump
        self._load = load
        self._default = default

    def read(self) -> T:
        """What was written last; the default when there is nothing, or nothing that can be read."""
        if self._file is None:
            return self._default
        try:
            return self._load(json.loads(self._file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return self._default
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
            log.warning(self._event, reason=type(exc).__name__)
            return self._default

    def write(self, value: T) -> None:
        """Keep ``value`` in place of what was there: all of it or nothing."""
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside = self._file.with_suffix(".new")
            beside.touch(mode=0o600)
            beside.chmod(0o600)  # one that was left by a process that died may have another
            beside.write_text(json.dumps(self._dump(value)), encoding="utf-8")
            os.replace(beside, self._file)  # noqa: PTH105 - the atomic one, named as such
        except OSError as exc:
            # Only a restart during an outage of the database would miss it.
            log.warning(self._event, reason=exc.strerror)
