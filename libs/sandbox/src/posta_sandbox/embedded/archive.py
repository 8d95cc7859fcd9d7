"""An archive of loaded and linked classes: a broker's start in half the time and CPU.

    absent --first start on this machine: one trial broker, about 6 s--> recorded --> used by all
                      +--the trial fails--> given up (a note beside it says why; starts are plain)

The archive (Java's "AOT cache", JEP 483 and 514) lies in the cache beside the jars. Its name is
derived from the Java version, the flags and every jar's place, size and time, because Java
refuses one that was recorded with others. A start without it works the same, only slower.
"""

import contextlib
import fcntl
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from posta_sandbox.embedded.errors import EmbeddedError
from posta_sandbox.embedded.java import FLAGS, JAVA_VERSION

Flags = tuple[str, ...]
# Java warns of single methods it could not restore; it compiles them as usual.
_QUIET = "-Xlog:aot*=off"


async def archive_flags(
    folder: Path, class_path: Sequence[Path], trial: Callable[[Flags], Awaitable[None]]
) -> Flags:
    """Return the flags by which Java uses the archive of this class path, or none.

    Where there is no archive yet, `trial` is called with the flags that record one; it must run
    the server once and stop it in its own time. While another process records, nobody waits.
    """
    path = folder / f"classes-{_key(class_path)}.aot"
    if path.exists():
        return (f"-XX:AOTCache={path}", _QUIET)
    note = path.with_suffix(".failed")
    if note.exists():
        return ()
    try:
        with _alone(folder / "recording.lock") as alone:
            return await _record(path, note, trial) if alone else ()
    except OSError:
        return ()  # a cache that is read-only or full: the plain start needs neither


async def _record(path: Path, note: Path, trial: Callable[[Flags], Awaitable[None]]) -> Flags:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    reason = "the trial ended without an archive"
    try:
        await trial((f"-XX:AOTCacheOutput={fresh}", _QUIET))
    except EmbeddedError as exc:
        reason = str(exc)
    return _keep(fresh, path) or _give_up(note, reason)


def _keep(fresh: Path, path: Path) -> Flags:
    if not fresh.exists():
        return ()
    for outdated in path.parent.glob("classes-*.aot"):
        outdated.unlink(missing_ok=True)
    fresh.replace(path)
    return (f"-XX:AOTCache={path}", _QUIET)


def _give_up(note: Path, reason: str) -> Flags:
    note.write_text(f"{reason}\nDelete this file to try again.\n", encoding="utf-8")
    return ()


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    """Whether this process got the lock, held until the end of the block (or of the process)."""
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _key(class_path: Sequence[Path]) -> str:
    parts = [JAVA_VERSION, *FLAGS]
    for jar in class_path:
        status = jar.stat()
        parts.append(f"{jar} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
