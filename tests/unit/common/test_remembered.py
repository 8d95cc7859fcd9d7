"""A file of what a process knew last: whole or not at all, and never a reason to stop."""

import pytest
from structlog.testing import capture_logs

from posta.remembered import Remembered


def memory(file):
    return Remembered[frozenset[str]](
        file, what="names", dump=sorted, load=frozenset, default=frozenset({"none"})
    )


def test_what_was_written_is_read_by_the_next_process_and_by_nobody_else(tmp_path):
    file = tmp_path / "new" / "names.json"
    memory(file).write(frozenset({"b", "a"}))
    assert memory(file).read() == {"a", "b"}
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["names.json"]


def test_what_a_process_left_that_died_as_it_wrote_gives_its_mode_to_nobody(tmp_path):
    left = tmp_path / "names.new"
    left.write_text("half of it")
    left.chmod(0o644)
    memory(tmp_path / "names.json").write(frozenset({"a"}))
    assert (tmp_path / "names.json").stat().st_mode & 0o777 == 0o600


def test_without_a_file_nothing_is_kept():
    memory(None).write(frozenset({"a"}))
    assert memory(None).read() == {"none"}


@pytest.mark.parametrize("text", ["", "{", "7", '[{"a": 1}]', "\ud800"])
def test_what_cannot_be_read_counts_as_nothing(tmp_path, text):
    file = tmp_path / "names.json"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert memory(file).read() == {"none"}


def test_what_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "taken").write_text("a file where a folder would be")
    blocked = memory(tmp_path / "taken" / "names.json")
    with capture_logs() as lines:
        blocked.write(frozenset({"a"}))
    assert [line["event"] for line in lines] == ["names_not_remembered"]
    assert blocked.read() == {"none"}
