"""The page that names the test of each promise of ingress names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "ingress-tests.md"
_NAME = re.compile(r"`(tests/[\w/]+\.py|test_\w+)`")


def named() -> list[tuple[str, str]]:
    """Each test with the file it is said to be in."""
    found, file = [], ""
    for name in _NAME.findall(PAGE.read_text("utf-8").partition("\n## ")[2]):
        if name.startswith("tests/"):
            file = name
        else:
            found.append((file, name))
    return found


def test_every_named_test_exists():
    missing = [
        f"{file}::{name}"
        for file, name in named()
        if not (ROOT / file).exists() or f"def {name}(" not in (ROOT / file).read_text("utf-8")
    ]
    assert missing == []


def test_no_promise_is_without_a_test():
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not row.startswith("| promise")]
    assert len(promises) > 20
    assert [row for row in promises if "`test_" not in row] == []
