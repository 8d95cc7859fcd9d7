"""The table in docs/engine.md that says which test proves what names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
_FOLDERS = {
    "e": "tests/integration/engine",
    "u": "tests/unit/common",
    "s": "tests/simulation",
    "c": "tests/chaos",
    "d": "tests/integration/dlq_admin",
    "p": "tests/integration/common",
}


def named() -> list[tuple[str, str]]:
    """Folder and name of each test or file that the table names."""
    page = (ROOT / "docs/engine.md").read_text(encoding="utf-8")
    found = []
    for row in re.findall(r"^\| \d+ \|.*\|.*$", page, flags=re.MULTILINE):
        for folder, words in re.findall(r"\*\*([a-z])\*\* ([^;|]*)", row):
            found += [(folder, name) for name in re.findall(r"`(test_[^`]*)`", words)]
    return found


def test_every_numbered_promise_names_tests():
    page = (ROOT / "docs/engine.md").read_text(encoding="utf-8")
    numbers = re.findall(r"^\| (\d+) \|.*`test_.*$", page, flags=re.MULTILINE)
    assert numbers == [str(number) for number in range(1, 14)]


def test_every_test_that_is_named_exists():
    missing = []
    for folder, name in named():
        files = ROOT.joinpath(_FOLDERS[folder]).glob("test_*.py")
        if name.endswith(".py"):
            is_there = bool(list(ROOT.joinpath(_FOLDERS[folder]).glob(name)))
        else:
            is_there = any(f"def {name}(" in file.read_text(encoding="utf-8") for file in files)
        if not is_there:
            missing.append((folder, name))
    assert not missing
    assert len(named()) > 50
