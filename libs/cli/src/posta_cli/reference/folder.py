"""The folder the pages are written to, and how it differs from what they should be."""

from collections.abc import Mapping
from pathlib import Path


def stale(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """Return the names of files that are missing, differ, or that nothing makes any more."""
    found = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    differing = {name for name, text in wanted.items() if _read(folder / name) != text}
    return sorted(differing | (found - wanted.keys()))


def write(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """Write what differs and return its names; a file that nothing makes is left alone."""
    changed = [name for name in stale(folder, wanted) if name in wanted]
    for name in changed:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(wanted[name], encoding="utf-8")
    return changed


def _read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None
