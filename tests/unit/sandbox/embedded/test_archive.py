import fcntl
import os
from pathlib import Path

import pytest

from posta_sandbox.embedded.archive import archive_flags
from posta_sandbox.embedded.errors import StartFailed


@pytest.fixture
def class_path(tmp_path):
    jar = tmp_path / "one.jar"
    jar.write_bytes(b"classes")
    return [jar]


class Trial:
    """Records as Java does, at the place the flag names, or fails."""

    def __init__(self, *, writes: bool = True, fails: bool = False) -> None:
        self.runs = 0
        self._writes = writes
        self._fails = fails

    async def __call__(self, flags):
        self.runs += 1
        if self._fails:
            raise StartFailed("no memory")
        if self._writes:
            target = next(f.split("=", 1)[1] for f in flags if f.startswith("-XX:AOTCacheOutput="))
            Path(target).write_bytes(b"archive")  # noqa: ASYNC240  # a test, a few bytes


async def test_an_archive_is_recorded_once_and_used_from_then_on(tmp_path, class_path):
    trial = Trial()
    first = await archive_flags(tmp_path, class_path, trial)
    assert await archive_flags(tmp_path, class_path, trial) == first
    assert trial.runs == 1
    (archive,) = tmp_path.glob("classes-*")
    assert f"-XX:AOTCache={archive}" in first
    assert archive.read_bytes() == b"archive"


async def test_another_jar_means_another_archive_and_the_old_one_goes(tmp_path, class_path):
    trial = Trial()
    first = await archive_flags(tmp_path, class_path, trial)
    os.utime(class_path[0], (1, 1))
    assert await archive_flags(tmp_path, class_path, trial) != first
    assert trial.runs == 2
    assert len(list(tmp_path.glob("classes-*"))) == 1


@pytest.mark.parametrize("trial", [Trial(fails=True), Trial(writes=False)])
async def test_a_trial_that_fails_is_not_repeated_and_starts_are_plain(tmp_path, class_path, trial):
    assert await archive_flags(tmp_path, class_path, trial) == ()
    assert await archive_flags(tmp_path, class_path, trial) == ()
    assert trial.runs == 1
    (note,) = tmp_path.glob("classes-*.failed")
    assert "Delete this file to try again." in note.read_text()


async def test_while_another_process_records_nobody_waits(tmp_path, class_path):
    trial = Trial()
    with (tmp_path / "recording.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert await archive_flags(tmp_path, class_path, trial) == ()
    assert trial.runs == 0


async def test_a_cache_that_cannot_be_written_costs_only_the_archive(tmp_path, class_path):
    trial = Trial()
    assert await archive_flags(tmp_path / "absent", class_path, trial) == ()
    assert trial.runs == 0
