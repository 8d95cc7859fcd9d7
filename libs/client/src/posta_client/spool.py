"""Keeps events on this machine's disk until Posta has them; several processes may share the file.

SQLite with a write-ahead log: an event whose ``put`` returned survives kill -9 and a power cut. Only
the holder of the drain lock sends and removes, oldest first; the kernel frees that lock when its
holder dies.
"""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from posta_client.drain_lock import DrainLock
from posta_client.event import Event

_ROW_BYTES = 100
"""What a row takes beside the event, about."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    body BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    kept_at REAL NOT NULL,
    refused TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS waiting ON event (seq) WHERE refused IS NULL;
CREATE TABLE IF NOT EXISTS pause (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    until REAL NOT NULL,
    failures INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;
"""
_BUSY_S = 0.01
_abandoned: list[sqlite3.Connection] = []
"""Connections of the process we were forked from: closing them here would disturb it."""


class SpoolError(Exception):
    """The spool cannot take or give events now; the message says why."""


class SpoolBusy(SpoolError):
    """Other processes kept the file to themselves for as long as there was time."""


class SpoolFull(SpoolError):
    """The spool holds as much as it may, or the disk does."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One event in the spool; ``seq`` grows in the order of keeping."""

    seq: int
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """How much is in the spool."""

    waiting: int
    refused: int
    bytes: int
    oldest_at: float | None
    """Unix time at which the oldest waiting event was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Posta did not take events: nobody tries before ``until`` (Unix time)."""

    until: float = 0.0
    failures: int = 0
    """In a row."""
    reason: str = ""


class Spool:
    """One spool file; safe for many threads and processes, and after a fork."""

    def __init__(self, path: Path, *, max_events: int, max_bytes: int) -> None:
        self._path = path
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._guard = threading.Lock()
        self._owner = 0
        self._connection: sqlite3.Connection | None = None

    def put(self, event: Event, *, timeout_s: float) -> None:
        """Keep ``event``, unless it is kept already. Raises ``SpoolFull`` or ``SpoolError``."""
        size = len(event.body) + _ROW_BYTES
        with self._transaction(timeout_s) as connection:
            if connection.execute("SELECT 1 FROM event WHERE id = ?", (event.id,)).fetchone():
                return
            self._make_room(connection, size)
            connection.execute(
                "INSERT INTO event (id, body, bytes, kept_at) VALUES (?, ?, ?, ?)",
                (event.id, event.body, size, time.time()),
            )

    def first(self, limit: int, *, max_bytes: int, timeout_s: float = 5.0) -> list[Kept]:
        """The oldest waiting events: at most ``limit``, and ``max_bytes`` but one at least."""
        found: list[Kept] = []
        total = 0
        with self._reading(timeout_s) as connection:
            rows = connection.execute(
                "SELECT seq, id, body, bytes FROM event WHERE refused IS NULL ORDER BY seq LIMIT ?", (limit,)
            )
            for seq, event_id, body, size in rows:
                total += size
                if found and total > max_bytes:
                    break
                found.append(Kept(seq, Event(id=event_id, body=bytes(body))))
        return found

    def remove(self, kept: list[Kept], *, timeout_s: float = 5.0) -> None:
        """Forget events that Posta has; whatever made us pause is over."""
        with self._transaction(timeout_s) as connection:
            connection.executemany("DELETE FROM event WHERE seq = ?", [(one.seq,) for one in kept])
            connection.execute("DELETE FROM pause")

    def refuse(self, kept: Kept, reason: str, *, timeout_s: float = 5.0) -> None:
        """Put an event aside that Posta will never take, so that those behind it go on."""
        with self._transaction(timeout_s) as connection:
            connection.execute("UPDATE event SET refused = ? WHERE seq = ?", (reason, kept.seq))

    def put_refused(self, event: Event, reason: str, *, timeout_s: float) -> None:
        """Keep an event aside that was refused at once; full, it is not kept."""
        size = len(event.body) + _ROW_BYTES
        with self._transaction(timeout_s) as connection:
            self._make_room(connection, size)
            connection.execute(
                "INSERT INTO event (id, body, bytes, kept_at, refused) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET refused = excluded.refused",
                (event.id, event.body, size, time.time(), reason),
            )

    def requeue_refused(self, *, timeout_s: float = 5.0) -> int:
        """Let what was refused be tried again; returns how many."""
        with self._transaction(timeout_s) as connection:
            return connection.execute("UPDATE event SET refused = NULL WHERE refused IS NOT NULL").rowcount

    def refusals(self, limit: int = 20, *, timeout_s: float = 5.0) -> list[tuple[str, str]]:
        """Ids and reasons of the newest refused events."""
        with self._reading(timeout_s) as connection:
            rows = connection.execute(
                "SELECT id, refused FROM event WHERE refused IS NOT NULL ORDER BY seq DESC LIMIT ?", (limit,)
            )
            return [(str(event_id), str(reason)) for event_id, reason in rows]

    def contents(self, *, timeout_s: float = 5.0) -> Contents:
        """How much is kept."""
        with self._reading(timeout_s) as connection:
            total, refused, size, oldest = connection.execute(
                "SELECT count(*), count(refused), coalesce(sum(bytes), 0),"
                " min(CASE WHEN refused IS NULL THEN kept_at END) FROM event"
            ).fetchone()
        return Contents(waiting=total - refused, refused=refused, bytes=size, oldest_at=oldest)

    def is_waiting(self, *, timeout_s: float) -> bool:
        """Whether any event waits."""
        with self._reading(timeout_s) as connection:
            found = connection.execute("SELECT 1 FROM event WHERE refused IS NULL LIMIT 1").fetchone()
        return found is not None

    def has(self, event_id: str, *, timeout_s: float) -> bool:
        """Whether that event still waits."""
        with self._reading(timeout_s) as connection:
            found = connection.execute(
                "SELECT 1 FROM event WHERE id = ? AND refused IS NULL", (event_id,)
            ).fetchone()
        return found is not None

    def pause(self, *, timeout_s: float = 5.0) -> Pause:
        """Until when nobody should try."""
        with self._reading(timeout_s) as connection:
            row = connection.execute("SELECT until, failures, reason FROM pause").fetchone()
        return Pause() if row is None else Pause(until=row[0], failures=row[1], reason=row[2])

    def set_pause(self, pause: Pause, *, timeout_s: float = 5.0) -> None:
        """Tell every process that shares the spool."""
        with self._transaction(timeout_s) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO pause (one, until, failures, reason) VALUES (1, ?, ?, ?)",
                (pause.until, pause.failures, pause.reason),
            )

    def drain_lock(self) -> DrainLock:
        """The lock that whoever sends what is kept must hold."""
        return DrainLock(self._path.with_name(self._path.name + ".lock"))

    def close(self) -> None:
        """Close the file; loses nothing."""
        with self._guard:
            self._drop()

    def _make_room(self, connection: sqlite3.Connection, size: int) -> None:
        """Forget the oldest refused events if need be. Raises ``SpoolFull``."""
        events, held = connection.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM event").fetchone()
        while events >= self._max_events or held + size > self._max_bytes:
            row = connection.execute(
                "SELECT seq, bytes FROM event WHERE refused IS NOT NULL ORDER BY seq LIMIT 1"
            ).fetchone()
            if row is None:
                raise SpoolFull(f"the spool {self._path} holds {events} events, {held} bytes: its bounds")
            connection.execute("DELETE FROM event WHERE seq = ?", (row[0],))
            events, held = events - 1, held - row[1]

    def _reading(self, timeout_s: float) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """A transaction that waits for no writer, and keeps none waiting."""
        return self._transaction(timeout_s, "BEGIN")

    @contextlib.contextmanager
    def _transaction(self, timeout_s: float, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """Commit what the block does, or none of it. Raises ``SpoolError``."""
        deadline = time.monotonic() + timeout_s
        if not self._guard.acquire(timeout=max(0.0, timeout_s)):
            raise SpoolBusy("the spool is busy")
        try:
            connection = self._opened(max(0.0, deadline - time.monotonic()))
            try:
                connection.execute(begin)
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # a full disk has rolled back by itself
                    connection.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError) as exc:
            raise self._ours(exc) from exc
        finally:
            self._guard.release()

    def _opened(self, timeout_s: float) -> sqlite3.Connection:
        if self._owner != os.getpid():
            if self._connection is not None:
                _abandoned.append(self._connection)
            self._connection, self._owner = None, os.getpid()
        if self._connection is None:
            self._connection = _connect_patiently(self._path, timeout_s)
        self._connection.execute(f"PRAGMA busy_timeout = {int(timeout_s * 1000)}")
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._owner == os.getpid():
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _ours(self, error: sqlite3.Error | OSError) -> SpoolError:
        """The error as ours; a damaged file is set aside, so that the next call begins a new one."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return SpoolFull(f"the disk of the spool {self._path} is full")
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return SpoolBusy("the spool is busy")
        self._drop()
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            _set_aside(self._path)
        return SpoolError(f"the spool {self._path} fails: {type(error).__name__}: {error}")


def _connect_patiently(path: Path, timeout_s: float) -> sqlite3.Connection:
    """Connect, also while another process makes the file: SQLite does not wait for that by itself."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return _connect(path, timeout_s)
        except sqlite3.OperationalError as exc:
            is_busy = exc.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
            if not is_busy or time.monotonic() >= deadline:
                raise
            time.sleep(_BUSY_S)


def _connect(path: Path, timeout_s: float) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Used by one thread at a time: whoever holds the guard.
    connection = sqlite3.connect(path, timeout=timeout_s, isolation_level=None, check_same_thread=False)
    try:
        path.chmod(0o600)  # events may hold what is nobody else's business
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_aside(path: Path) -> None:
    """Rename a file that is no database any more; what it holds may be recovered by hand."""
    suffix = f".damaged-{time.time_ns()}"
    for part in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        with contextlib.suppress(OSError):
            part.rename(part.with_name(part.name + suffix))
