"""A lock among processes that the kernel frees when its holder dies, however it dies."""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self


class DrainLock:
    """Held by at most one; ``is_held`` says after entering whether that is us."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None
        self.is_held = False

    def __enter__(self) -> Self:
        try:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return self
        self.is_held = _try_lock(self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)  # closing frees it
        self._handle, self.is_held = None, False


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
