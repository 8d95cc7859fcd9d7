"""A process's log file, kept below a size: appended to by the process, cut by the supervisor.

The process writes straight into the file, opened for appending, so that a busy supervisor never
holds it up. A file that has grown too long is copied aside and emptied in place (logrotate's
"copytruncate"); lines written in the instant between the two are lost, which a log may be and a
message may not.
"""

import os
import shutil
from collections import deque
from pathlib import Path

MAX_BYTES = 8 * 1024 * 1024
_TAIL_BYTES = 256 * 1024


def older(path: Path) -> Path:
    """Return where the previous part of a log is kept."""
    return path.with_name(f"{path.name}.1")


def cut(path: Path, *, max_bytes: int = MAX_BYTES) -> bool:
    """Move the content aside once it is longer than `max_bytes`; return whether that was done."""
    try:
        if path.stat().st_size <= max_bytes:
            return False
        shutil.copyfile(path, older(path))
        os.truncate(path, 0)
    except FileNotFoundError:
        return False
    return True


def tail(path: Path, lines: int) -> list[str]:
    """Return the last `lines` lines (at most the last 256 KiB), without line ends."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return list(deque(text.splitlines(), maxlen=lines))
