"""The spool's file: SQLite with a write-ahead log, where a committed record survives any crash.

One connection in one thread; ``synchronous=FULL`` makes each commit an fsync. The file holds
interaction tokens, as Kafka does, so only its owner may read it.
"""

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from posta.domain.envelope import Wire
from posta.errors import ConfigurationError, Transient
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_BUSY_S = 3.0
_ROW_BYTES = 100
"""What a row takes beyond its key, value and headers, about."""
_WORTH_SHRINKING_BYTES = 8 * 1024 * 1024
_SCHEMA = """
CREATE TABLE IF NOT EXISTS spool (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    topic TEXT NOT NULL,
    key BLOB,
    value BLOB,
    headers TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    stored_at REAL NOT NULL,
    refused INTEGER NOT NULL DEFAULT 0
) STRICT
"""


class SpoolFull(Transient):
    """The spool holds as much as it may, or the disk does."""


class SpoolUnusable(Transient):
    """The spool's file cannot be written or read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolPolicy:
    """Where the spool is kept, and how much it takes."""

    path: Path
    max_events: int
    max_bytes: int
    """Of keys, values, headers and about 100 bytes a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One record to be kept."""

    event_id: str
    topic: str
    """Without the prefix."""
    wire: Wire
    """With the trace context of the request among its headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled(Entry):
    """One record that is kept; ``seq`` grows in the order of acceptance."""

    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """How much is in the spool."""

    waiting: int = 0
    refused: int = 0
    """Records that Kafka will never take; kept for an operator."""
    bytes: int = 0
    oldest_at: float | None = None
    """Unix time at which the oldest waiting record was kept."""


class SpoolFile:
    """An open spool file. What reads or writes records belongs inside a ``transaction``."""

    def __init__(self, connection: sqlite3.Connection, policy: SpoolPolicy) -> None:
        self._connection = connection
        self._policy = policy
        self.contents = self._count()

    @classmethod
    def open(cls, policy: SpoolPolicy) -> "SpoolFile":
        """Open or create the file; a damaged one is set aside, never deleted.

        Raises ``ConfigurationError`` when the folder cannot be written or another process uses the
        file, ``SpoolUnusable`` or ``SpoolFull`` when the disk does not let it be opened.
        """
        _make_folder(policy.path.parent)
        try:
            return cls(_connect(policy.path), policy)
        except sqlite3.DatabaseError as exc:
            if not _is_damage(exc):
                raise _ours(exc, policy.path) from exc
            _set_aside(policy.path, reason=str(exc))
        try:
            return cls(_connect(policy.path), policy)
        except sqlite3.DatabaseError as exc:
            raise _ours(exc, policy.path) from exc

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does with one fsync, or none of it.

        Raises ``SpoolFull`` when the disk is full and ``SpoolUnusable`` for any other fault.
        """
        before = self.contents
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as exc:
            self.contents = before
            with contextlib.suppress(sqlite3.Error):  # a full disk has rolled back by itself
                self._connection.execute("ROLLBACK")
            if isinstance(exc, sqlite3.Error):
                raise _ours(exc, self._policy.path) from exc
            raise

    def put(self, entry: Entry, *, now: float) -> None:
        """Keep ``entry``, unless its event is kept already. Raises ``SpoolFull`` at a bound."""
        wire = entry.wire
        headers = json.dumps([[name, value.decode("latin-1")] for name, value in wire.headers])
        size = len(wire.key or b"") + len(wire.value or b"") + len(headers) + _ROW_BYTES
        held = self.contents
        if (fault := self._over_bounds(size)) is not None:
            if self._holds(entry.event_id):
                return
            raise SpoolFull(fault)
        done = self._connection.execute(
            "INSERT INTO spool (event_id, topic, key, value, headers, bytes, stored_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING",
            (entry.event_id, entry.topic, wire.key, wire.value, headers, size, now),
        )
        if done.rowcount == 1:
            self.contents = replace(
                held,
                waiting=held.waiting + 1,
                bytes=held.bytes + size,
                oldest_at=now if held.oldest_at is None else held.oldest_at,
            )

    def first(self, limit: int, *, max_bytes: int) -> list[Spooled]:
        """The oldest waiting records: at most ``limit``, and ``max_bytes`` but one at least."""
        rows = self._connection.execute(
            "SELECT seq, event_id, topic, key, value, headers, bytes FROM spool"
            " WHERE refused = 0 ORDER BY seq LIMIT ?",
            (limit,),
        )
        found: list[Spooled] = []
        total = 0
        for seq, event_id, topic, key, value, headers, size in rows:
            total += size
            if found and total > max_bytes:
                break
            pairs = tuple((name, text.encode("latin-1")) for name, text in json.loads(headers))
            wire = Wire(key=key, value=value, headers=pairs)
            found.append(Spooled(seq=seq, event_id=event_id, topic=topic, wire=wire))
        return found

    def remove(self, *, up_to: int) -> None:
        """Forget the waiting records up to and with ``up_to``: Kafka has them."""
        gone, size = self._connection.execute(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM spool WHERE refused = 0 AND seq <= ?", (up_to,)
        ).fetchone()
        self._connection.execute("DELETE FROM spool WHERE refused = 0 AND seq <= ?", (up_to,))
        oldest = self._connection.execute(
            "SELECT stored_at FROM spool WHERE refused = 0 ORDER BY seq LIMIT 1"
        ).fetchone()
        self.contents = replace(
            self.contents,
            waiting=self.contents.waiting - gone,
            bytes=self.contents.bytes - size,
            oldest_at=oldest and oldest[0],
        )

    def refuse(self, seq: int) -> None:
        """Put a record aside that Kafka will never take, so that those behind it can go on."""
        self._connection.execute("UPDATE spool SET refused = 1 WHERE seq = ?", (seq,))
        self.contents = self._count()

    def shrink(self) -> None:
        """Give the disk back what an empty spool of notable size no longer needs.

        Raises what ``transaction`` does.
        """
        wal = self._policy.path.with_name(self._policy.path.name + "-wal")
        try:
            if self._policy.path.stat().st_size + wal.stat().st_size < _WORTH_SHRINKING_BYTES:
                return
            # It frees a page a step, and only executescript takes all of its steps.
            self._connection.executescript("PRAGMA incremental_vacuum")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as exc:
            raise _ours(exc, self._policy.path) from exc
        except OSError as exc:
            raise SpoolUnusable(f"the spool {self._policy.path} is gone: {exc.strerror}") from exc

    def close(self) -> None:
        """Close the file; a fault in doing so loses nothing that was committed."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def _over_bounds(self, size: int) -> str | None:
        held, bounds = self.contents, self._policy
        if held.waiting + held.refused >= bounds.max_events:
            return f"the spool holds {bounds.max_events} events, as many as it may"
        if held.bytes + size > bounds.max_bytes:
            return f"the spool holds {held.bytes} bytes of the {bounds.max_bytes} it may"
        return None

    def _holds(self, event_id: str) -> bool:
        row = self._connection.execute("SELECT 1 FROM spool WHERE event_id = ?", (event_id,))
        return row.fetchone() is not None

    def _count(self) -> Contents:
        waiting, refused, size, oldest = self._connection.execute(
            "SELECT coalesce(sum(refused = 0), 0), coalesce(sum(refused), 0), coalesce(sum(bytes), 0),"
            " min(CASE refused WHEN 0 THEN stored_at END) FROM spool"
        ).fetchone()
        return Contents(waiting=waiting, refused=refused, bytes=size, oldest_at=oldest)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as exc:
        raise ConfigurationError(
            f"POSTA_STATE_DIR: cannot make {folder} for the spool: {exc.strerror}"
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(f"POSTA_STATE_DIR: {folder} must be writable: the spool is kept there")


def _connect(path: Path) -> sqlite3.Connection:
    # Used by one thread after the other, never by two at once.
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        path.chmod(0o600)
        # A second process must not write here; without shared memory it cannot even read.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        _check(connection)
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(_SCHEMA)
        # A write, so that the lock is taken and the log exists before the folder is synced.
        connection.execute("PRAGMA user_version = 1")
        _sync_folder(path.parent)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"malformed: {verdict}")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _set_aside(path: Path, *, reason: str) -> None:
    suffix = f".damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}"
    for part in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        if part.exists():
            part.rename(part.with_name(part.name + suffix))
    names.SPOOL_DAMAGED.inc()
    log.error("spool_damaged_set_aside", file=str(path) + suffix, reason=reason)


def _ours(error: sqlite3.Error, path: Path) -> Exception:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return SpoolFull(f"the disk of the spool {path} is full")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return ConfigurationError(
            f"POSTA_STATE_DIR: {path} is in use by another process; each ingress needs a folder of its own"
        )
    return SpoolUnusable(f"the spool {path} fails: {type(error).__name__}: {error}")
