"""Ingress as a process for the tests of this folder."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.ingress_world import IngressWorld

MEMORY = Path("/dev/shm")
NOWHERE = "127.0.0.1:1"
_ROOM_BYTES = 256 * 1024 * 1024


def has_room_in_memory() -> bool:
    return MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > _ROOM_BYTES


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """Where the spool is kept: in memory if there is room, since what is promised supposes a disk at leisure.

    A process that is killed loses nothing of it there either, and the disk of a machine that runs many tests
    may need longer for one write than a person may be kept waiting.
    """
    with tempfile.TemporaryDirectory(dir=MEMORY if has_room_in_memory() else None) as folder:
        yield Path(folder)


@pytest.fixture
def world_of(tmp_path: Path, state_dir: Path) -> Iterator[Callable[..., IngressWorld]]:
    """Make worlds, each with a folder of its own, whose processes are gone after the test."""
    made: list[IngressWorld] = []

    def make(bootstrap_servers: str = NOWHERE, prefix: str = "", **env: str) -> IngressWorld:
        name = f"world{len(made)}"
        folder = tmp_path / name
        folder.mkdir()
        made.append(IngressWorld(folder, state_dir / name, bootstrap_servers, prefix, **env))
        return made[-1]

    yield make
    for world in made:
        world.process.close()
