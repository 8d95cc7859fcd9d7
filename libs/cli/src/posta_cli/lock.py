"""One system per state folder: a lock that the operating system gives back when its holder dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from posta_cli.errors import AlreadyRunningError
from posta_cli.home import Home, unusable

_PATIENCE_S = 0.5
"""Somebody who only looks holds the lock too, for less than a millisecond: it is worth a wait."""

_PAUSE_S = 0.01


@contextmanager
def held(home: Home) -> Iterator[None]:
    """Hold the home's lock; raises AlreadyRunningError naming the process that has it."""
    descriptor = _open(home)
    try:
        _lock_patiently(descriptor, home)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def looked_at(home: Home) -> Iterator[int | None]:
    """Give the pid of the running supervisor, or None; then nobody can start one until it is left."""
    if not home.lock_file.exists():
        yield None
        return
    descriptor = _open(home)
    try:
        yield None if _try_lock(descriptor) else _holder(descriptor)
    finally:
        os.close(descriptor)


def holder(home: Home) -> int | None:
    """Return the pid of the running supervisor, or None when there is none."""
    with looked_at(home) as pid:
        return pid


def _open(home: Home) -> int:
    try:
        return os.open(home.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise unusable(home, exc) from exc


def _lock_patiently(descriptor: int, home: Home) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not _try_lock(descriptor):
        if time.monotonic() > deadline:
            raise AlreadyRunningError(
                f"A Posta system already runs in {home.root} (pid {_holder(descriptor)}).",
                "See `posta status`, end it with `posta down`, or set POSTA_HOME to run a second"
                " one beside it.",
            )
        time.sleep(_PAUSE_S)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> int:
    text = os.pread(descriptor, 20, 0)
    return int(text) if text.isdigit() else 0
