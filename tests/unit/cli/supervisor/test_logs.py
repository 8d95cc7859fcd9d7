from pathlib import Path

import pytest

from posta_cli.supervisor.log_file import cut, older, tail
from posta_cli.supervisor.log_line import for_people


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("plain text", "plain text", id="no JSON"),
        pytest.param("[1, 2]", "[1, 2]", id="JSON, but no event"),
        pytest.param(
            '{"timestamp": "2026-01-02T03:04:05.678901Z", "level": "error", "event": "it_broke",'
            ' "logger": "x", "service": "ingress", "partition": 3, "reason": "so"}',
            "03:04:05.678 error   it_broke partition=3 reason=so",
            id="an event",
        ),
    ],
)
def test_a_log_line_reads_well(line: str, expected: str) -> None:
    assert for_people(line) == expected


def test_a_log_that_is_too_long_is_moved_aside_while_it_is_written(tmp_path: Path) -> None:
    log = tmp_path / "ingress.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old\n" * 100)
        assert cut(log, max_bytes=100)
        writer.write(b"new\n")
    assert log.read_text() == "new\n"
    assert older(log).read_text() == "old\n" * 100
    assert not cut(log, max_bytes=100)


def test_a_log_that_is_not_there_has_nothing_to_cut_or_show(tmp_path: Path) -> None:
    assert not cut(tmp_path / "none.log")
    assert tail(tmp_path / "none.log", 5) == []


def test_the_tail_is_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("\n".join(map(str, range(100_000))))
    assert tail(log, 3) == ["99997", "99998", "99999"]
