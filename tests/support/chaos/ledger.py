"""What members say they did, outside the system: one file that all of them append to.

Each line is one write to a file opened with O_APPEND, so lines of many processes never mix, what a
killed member wrote stays, and the order of lines is the order in which things happened.
"""

import os
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Did(StrEnum):
    """What a line tells."""

    BEGAN = "began"
    ENDED = "ended"
    """The handler did its work; what follows is publishing and committing."""
    FAILED = "failed"
    """The handler raised a transient failure."""
    CUT = "cut"
    """The handler was cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line."""

    did: Did
    at: float
    """Monotonic seconds, which all processes of a machine share; no fake clock moves them."""
    pid: int
    partition: int
    """Of the source; with ``offset`` the record's identity through all lanes."""
    offset: int
    attempt: int
    key: str
    number: int

    @property
    def record(self) -> tuple[int, int]:
        """Which record of the source."""
        return (self.partition, self.offset)


class Pen:
    """A member's hold on the ledger."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._pid = os.getpid()

    def note(self, did: Did, *, partition: int, offset: int, attempt: int, key: str, number: int) -> None:
        """Append one line; it is in the kernel's hands when this returns, so a kill cannot take it back."""
        line = f"{did} {time.monotonic():.6f} {self._pid} {partition} {offset} {attempt} {key} {number}\n"
        os.write(self._file, line.encode())


class Reader:
    """Reads what has been appended since it was last asked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self.entries: list[Entry] = []

    def read(self) -> list[Entry]:
        """The new entries; ``entries`` holds all of them."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._position)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._position += len(whole)
        fresh = [_entry(line) for line in whole.decode().splitlines()]
        self.entries += fresh
        return fresh


def _entry(line: str) -> Entry:
    did, at, pid, partition, offset, attempt, key, number = line.split(" ")
    return Entry(
        did=Did(did),
        at=float(at),
        pid=int(pid),
        partition=int(partition),
        offset=int(offset),
        attempt=int(attempt),
        key=key,
        number=int(number),
    )
